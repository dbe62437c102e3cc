import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ChoraleError, wireError } from './errors.ts';
import {
  auditEntrySchema,
  availabilitySchema,
  createdInviteSchema,
  ENDED_STATUSES,
  handshakeSchema,
  inviteSchema,
  joinSchema,
  leaveSchema,
  newInviteSchema,
  parseMessage,
  parseResult,
  PROTOCOL_VERSION,
  RUN_STATUSES,
  runStateSchema,
  updateReceiptSchema,
  updateSchema,
} from './messages.ts';

function thrown(action: () => unknown): ChoraleError {
  try {
    action();
  } catch (error) {
    if (error instanceof ChoraleError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const newToken = 'aB3_-'.repeat(8) + 'xyz';
const opening = { protocolVersion: PROTOCOL_VERSION, runId: 'run-1' };
const handshake = { ...opening, newToken };
const identity = { contributorId: 'c0ffee42', token: 't'.repeat(16) };
const join = {
  planHash: 'ab'.repeat(32),
  basisHash: 'cd'.repeat(32),
  backend: 'webgpu',
  availability: 'available',
  chargedRounds: [1, 3],
};

describe('parseMessage', () => {
  test('good messages pass', () => {
    expect(parseMessage(joinSchema, join, 'join')).toEqual(join);
  });

  test.each([
    ['planHash', { ...join, planHash: 'AB'.repeat(32) }],
    ['backend', { ...join, backend: 'cuda' }],
    ['availability', { ...join, availability: true }],
    ['chargedRounds', { ...join, chargedRounds: undefined }],
    ['chargedRounds.1', { ...join, chargedRounds: [1, 0] }],
    ['chargedRounds', { ...join, chargedRounds: Array.from({ length: 100_001 }, () => 1) }],
    ['(top level)', { ...join, runId: 'run-1' }], // the handshake says it
    ['(top level)', { ...join, identity }],
    ['(top level)', { ...join, admin: true }],
    ['(top level)', null],
    ['(top level)', 'join'],
  ])('a bad %s is refused by event and path', (path, message) => {
    const error = thrown(() => parseMessage(joinSchema, message, 'join'));
    expect(error.code).toBe('MESSAGE_INVALID');
    expect(error.message).toContain(`join: `);
    expect(error.message).toContain(`${path}: `);
  });

  test.each([0, -1, 1.5, Number.NaN, '3', null])('round %o is refused', (round) => {
    expect(thrown(() => parseMessage(updateSchema, { round }, 'update')).code).toBe('MESSAGE_INVALID');
  });
});

describe('the handshake', () => {
  const parse = (auth: unknown) => parseMessage(handshakeSchema, auth, 'handshake');
  const invite = 'aB3_-'.repeat(4);

  test('names the run and who speaks; an invite may come along', () => {
    for (const auth of [
      handshake,
      { ...opening, identity },
      { ...handshake, invite },
      { ...opening, identity, invite },
      { ...handshake, protocolVersion: 99 }, // the server says that it is another one
    ]) {
      expect(parse(auth)).toEqual(auth);
    }
  });

  test.each([
    ['runId', { ...handshake, runId: '../etc/passwd' }],
    ['runId', { ...handshake, runId: 'x'.repeat(65) }],
    ['runId', { protocolVersion: PROTOCOL_VERSION }],
    ['protocolVersion', { ...handshake, protocolVersion: '4' }],
    ['protocolVersion', { runId: 'run-1' }],
    ['identity.token', { ...opening, identity: { ...identity, token: 'short' } }],
    ['identity.contributorId', { ...opening, identity: { ...identity, contributorId: 'NO' } }],
    ['identity', { ...opening, identity: { ...identity, admin: true } }],
    ['identity', { ...opening, identity: null }],
    ['newToken', { ...opening, newToken: newToken.slice(1) }],
    ['newToken', { ...opening, newToken: `${newToken}a` }],
    ['newToken', { ...opening, newToken: `${newToken.slice(1)}/` }],
    ['(top level)', opening], // nobody
    ['(top level)', { ...handshake, identity }], // two at once
    ['invite', { ...handshake, invite: 'a'.repeat(15) }],
    ['invite', { ...handshake, invite: 'a'.repeat(65) }],
    ['invite', { ...handshake, invite: `${'a'.repeat(16)}/` }],
    ['(top level)', { ...handshake, planHash: 'ab'.repeat(32) }],
    ['(top level)', undefined],
  ])('a bad %s is refused', (path, auth) => {
    const error = thrown(() => parse(auth));
    expect(error.code).toBe('MESSAGE_INVALID');
    expect(error.message).toContain(`${path}: `);
  });

  test('messages after it do not repeat the run', () => {
    expect(leaveSchema.parse({})).toEqual({});
    expect(availabilitySchema.parse({ availability: 'paused' })).toEqual({ availability: 'paused' });
    expect(updateSchema.parse({ round: 3 })).toEqual({ round: 3 });
    for (const [schema, message] of [
      [leaveSchema, {}],
      [availabilitySchema, { availability: 'paused' }],
      [updateSchema, { round: 3 }],
    ] as const) {
      expect(schema.safeParse({ ...message, runId: 'run-1' }).success).toBe(false);
    }
  });
});

describe('invites', () => {
  const invite = {
    inviteId: 'a1b2c3d4',
    note: 'the ward in Basel',
    createdAt: 1,
    expiresAt: null,
    uses: 3,
    used: 1,
    withdrawn: false,
  };

  test('are for one person and two weeks where nothing is said', () => {
    expect(newInviteSchema.parse({})).toEqual({ note: '', uses: 1, expiresInHours: 336 });
    expect(newInviteSchema.parse({ note: '  Basel ', uses: 20, expiresInHours: null })).toEqual({
      note: 'Basel',
      uses: 20,
      expiresInHours: null,
    });
  });

  test.each([
    { uses: 0 },
    { uses: 1.5 },
    { uses: 100_001 },
    { expiresInHours: 0 },
    { expiresInHours: 24 * 366 + 1 },
    { expiresInHours: Infinity },
    { note: 'x'.repeat(121) },
    { code: 'a'.repeat(20) },
  ])('%o cannot be asked for', (asked) => {
    expect(newInviteSchema.safeParse(asked).success).toBe(false);
  });

  test('the code is told with the new invite only', () => {
    expect(inviteSchema.parse(invite)).toEqual(invite);
    expect(inviteSchema.safeParse({ ...invite, code: 'a'.repeat(20) }).success).toBe(false);
    const created = { invite, code: 'a'.repeat(20), url: 'https://example.org/?run=run-1#invite=aaaa' };
    expect(createdInviteSchema.parse(created)).toEqual(created);
    expect(createdInviteSchema.safeParse({ ...created, code: 'short' }).success).toBe(false);
    expect(inviteSchema.safeParse({ ...invite, inviteId: 'A1B2C3D4' }).success).toBe(false);
  });
});

test('a line of the audit log names its act, and of who acted a few digits at most', () => {
  const entry = {
    sequence: 1,
    at: 5,
    act: 'stop',
    actor: 'c0ffee42',
    address: '127.0.0.1',
    runId: 'run-1',
    detail: '',
    previousHash: '00'.repeat(32),
    hash: 'ab'.repeat(32),
  };
  expect(auditEntrySchema.parse(entry)).toEqual(entry);
  expect(auditEntrySchema.parse({ ...entry, actor: null, address: null, runId: null }).actor).toBeNull();
  for (const wrong of [
    { sequence: 0 },
    { act: 'delete' },
    { actor: 'c0ffee42'.repeat(8) },
    { hash: 'ab' },
    { detail: 'x'.repeat(301) },
    { token: 'secret' },
  ]) {
    expect(auditEntrySchema.safeParse({ ...entry, ...wrong }).success).toBe(false);
  }
});

describe('parseResult', () => {
  const parse = (value: unknown) => parseResult(updateReceiptSchema, value, 'update');

  test('takes the value out', () => {
    expect(parse({ ok: true, value: { round: 3, duplicate: false } })).toEqual({
      round: 3,
      duplicate: false,
    });
    expect(parseResult(z.null(), { ok: true, value: null }, 'leave')).toBeNull();
  });

  test('throws what the other side reported, retryable as the table says', () => {
    const reported = wireError(new ChoraleError('UPDATE_WRONG_ROUND', 'expected round 4, got 3'));
    const error = thrown(() => parse({ ok: false, error: { ...reported, retryable: true } }));
    expect(error).toMatchObject({
      code: 'UPDATE_WRONG_ROUND',
      message: 'expected round 4, got 3',
      retryable: false,
    });
  });

  test.each([
    undefined,
    null,
    {},
    { ok: true },
    { ok: true, value: { round: 3 } },
    { ok: true, value: { round: 3, duplicate: false, more: 1 } },
    { ok: true, value: { round: 3, duplicate: false }, more: 1 },
    { ok: 'yes', value: { round: 3, duplicate: false } },
    { ok: false },
    { ok: false, error: { code: 'NO_SUCH_CODE', message: '', retryable: false } },
    { ok: false, error: { code: 'toString', message: '', retryable: false } },
    { ok: false, error: { code: 'INTERNAL', retryable: true } },
  ])('%o is no result', (value) => {
    const error = thrown(() => parse(value));
    expect(error.code).toBe('MESSAGE_INVALID');
    expect(error.message).toContain('update: ');
  });
});

test('the state of a run holds public facts only: unknown keys are refused', () => {
  const state = {
    runId: 'run-1',
    status: 'recruiting',
    reason: 'waiting for contributors: 1 of 3',
    round: 1,
    roundCount: 30,
    adapterVersion: 0,
    cohortSize: 3,
    available: 1,
    cohort: 0,
    received: 0,
    timeLeftMs: null,
  };
  expect(runStateSchema.parse(state)).toEqual(state);
  expect(runStateSchema.safeParse({ ...state, exampleCount: 200 }).success).toBe(false);
  expect(runStateSchema.safeParse({ ...state, status: 'unknown' }).success).toBe(false);
  for (const status of ENDED_STATUSES) expect(RUN_STATUSES).toContain(status);
});
