import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ChoraleError, wireError } from './errors.ts';
import {
  ENDED_STATUSES,
  joinSchema,
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

const join = {
  protocolVersion: PROTOCOL_VERSION,
  runId: 'run-1',
  planHash: 'ab'.repeat(32),
  basisHash: 'cd'.repeat(32),
  backend: 'webgpu',
  availability: 'available',
  chargedRounds: [1, 3],
};

describe('parseMessage', () => {
  test('good messages pass', () => {
    expect(parseMessage(joinSchema, join, 'join')).toEqual(join);
    const identity = { contributorId: 'c0ffee42', token: 't'.repeat(16) };
    expect(parseMessage(joinSchema, { ...join, identity }, 'join').identity).toEqual(identity);
  });

  test.each([
    ['runId', { ...join, runId: '../etc/passwd' }],
    ['runId', { ...join, runId: 'x'.repeat(65) }],
    ['planHash', { ...join, planHash: 'AB'.repeat(32) }],
    ['backend', { ...join, backend: 'cuda' }],
    ['availability', { ...join, availability: true }],
    ['chargedRounds', { ...join, chargedRounds: undefined }],
    ['chargedRounds.1', { ...join, chargedRounds: [1, 0] }],
    ['chargedRounds', { ...join, chargedRounds: Array.from({ length: 100_001 }, () => 1) }],
    ['protocolVersion', { ...join, protocolVersion: '1' }],
    ['identity.token', { ...join, identity: { contributorId: 'c0ffee42', token: 'short' } }],
    ['identity.contributorId', { ...join, identity: { contributorId: 'NO', token: 't'.repeat(16) } }],
    ['identity', { ...join, identity: { contributorId: 'c0ffee42', token: 't'.repeat(16), admin: true } }],
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
    expect(thrown(() => parseMessage(updateSchema, { runId: 'run-1', round }, 'update')).code).toBe(
      'MESSAGE_INVALID',
    );
  });
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
