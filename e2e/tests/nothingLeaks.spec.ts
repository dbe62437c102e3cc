import { Buffer } from 'node:buffer';
import { readFileSync, readdirSync } from 'node:fs';
import { neededModelFiles, readCheckpoint } from '@chorale/model';
import type { Handshake, ResolvedRun } from '@chorale/protocol';
import {
  availabilitySchema,
  handshakeSchema,
  bindingOf,
  decodeUpdate,
  joinSchema,
  largestUpdateBytes,
  leaveSchema,
  offerSchema,
  updateSchema,
} from '@chorale/protocol';
import { SMALL_RUN, fetchRun, untilRun } from '../support/runs.ts';
import type { Tab } from '../support/tab.ts';
import { contribute, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

const MODEL = new URL('../../assets/models/tiny-encoder/', import.meta.url);
const CANARIES = ['quixotic zanzibar marmalade', 'velvet hippodrome gazette', 'obsidian kettledrum parsnip'];
// Counts that stand nowhere else: 211 rows of health, 96 of money
const HEALTH_ROWS = 211;
const MONEY_ROWS = 96;

/** All that one tab sends to anybody, from before it opens a page. */
type Outgoing = {
  /** Addresses, headers, bodies and frames. */
  sent: Buffer[];
  /** Text frames of WebSockets, in order. */
  texts: string[];
  /** Binary frames of WebSockets, in order. */
  binary: Buffer[];
  /** Requests that are no GET: method, path and body. */
  posted: { what: string; body: unknown }[];
};

function captureOutgoing({ page }: Tab): Outgoing {
  const outgoing: Outgoing = { sent: [], texts: [], binary: [], posted: [] };
  const { sent, texts, binary, posted } = outgoing;
  // Of the context: what the worker asks for, too
  page.context().on('request', (request) => {
    sent.push(Buffer.from(request.url()), Buffer.from(JSON.stringify(request.headers())));
    const body = request.postDataBuffer();
    if (body) sent.push(body);
    if (request.method() !== 'GET') {
      const what = `${request.method()} ${new URL(request.url()).pathname}`;
      posted.push({ what, body: request.postDataJSON() as unknown });
    }
  });
  page.on('websocket', (socket) =>
    socket.on('framesent', ({ payload }) => {
      if (typeof payload === 'string') texts.push(payload);
      else binary.push(payload);
      sent.push(Buffer.from(payload));
    }),
  );
  return outgoing;
}

/** Event and value of each message of socket.io; none for its handshakes and heartbeats. */
function messagesIn({ texts }: Outgoing): [event: string, value: unknown][] {
  return texts.flatMap((frame) => {
    const json = /^4(?:2|5\d+-)[^[]*(\[.*\])$/s.exec(frame)?.[1];
    if (json === undefined) return [];
    const [event, value] = JSON.parse(json) as [string, unknown];
    return [[event, value] as [string, unknown]];
  });
}

/** What a tab may say over its socket. Strict schemas: no field more. */
const SCHEMAS = {
  join: joinSchema,
  offer: offerSchema,
  availability: availabilitySchema,
  update: updateSchema,
  leave: leaveSchema,
} as const;

/** @returns what it said as each of its sockets opened, in order */
function expectStrictMessages(outgoing: Outgoing, events: (keyof typeof SCHEMAS)[]): Handshake[] {
  const handshakes = outgoing.texts
    .flatMap((frame) => /^40\/contribute,(.*)$/s.exec(frame)?.[1] ?? [])
    .map((json) => handshakeSchema.parse(JSON.parse(json)));
  expect(handshakes.length).toBeGreaterThan(0);
  const messages = messagesIn(outgoing);
  expect(new Set(messages.map(([event]) => event))).toEqual(new Set(events));
  for (const [event, value] of messages) SCHEMAS[event as keyof typeof SCHEMAS].parse(value);
  return handshakes;
}

const keptIdentitySchema = handshakeSchema.shape.identity
  .unwrap()
  .extend({ planHash: joinSchema.shape.planHash });

/** Beside the socket, who she is and what she agreed to, for when the browser loses it; nothing else. */
function expectOnlyIdentityPosted({ posted }: Outgoing, { runId, planHash }: ResolvedRun): void {
  expect(posted.length).toBeGreaterThan(0);
  for (const { what, body } of posted) {
    expect(what).toBe(`POST /api/runs/${runId}/identity`);
    expect(keptIdentitySchema.parse(body).planHash).toBe(planHash);
  }
}

/** Rows that can be found again in whatever left. */
function canaryCsv(): string {
  const rows = Array.from({ length: HEALTH_ROWS + MONEY_ROWS }, (_, i) => {
    return `${CANARIES[i % 3]!} number ${i},${i < HEALTH_ROWS ? 'health' : 'money'}`;
  });
  return ['text,label', ...rows].join('\n');
}

function expectNoRowsIn(sent: readonly Buffer[]): void {
  const everything = Buffer.concat(sent.flatMap((bytes) => [bytes, Buffer.from('\n')]));
  for (const word of CANARIES.flatMap((canary) => canary.split(' '))) {
    expect(everything.includes(word), `the word "${word}" left the tab`).toBe(false);
  }
  const files = new Map(
    neededModelFiles(readdirSync(MODEL)).map((name) => [
      name,
      new Uint8Array(readFileSync(new URL(name, MODEL))),
    ]),
  );
  const { tokenizer } = readCheckpoint(files);
  for (const canary of CANARIES) {
    const ids = tokenizer.encode(canary, null, 64).sequence.ids.slice(1, -1);
    expect(ids.length).toBeGreaterThanOrEqual(4);
    for (let i = 0; i + 3 <= ids.length; i++) {
      const three = ids.slice(i, i + 3);
      expect(everything.includes(three.join(',')), `token ids ${three.join()} left as JSON`).toBe(false);
      const binary = Buffer.from(Uint32Array.from(three).buffer);
      expect(everything.includes(binary), `ids ${three.join()} left`).toBe(false);
    }
  }
  const text = sent
    .filter((bytes) => bytes.length < 4096)
    .map(String)
    .join('\n');
  for (const count of [HEALTH_ROWS, MONEY_ROWS, HEALTH_ROWS + MONEY_ROWS]) {
    expect(text, `the count ${count} left as text`).not.toMatch(
      new RegExp(`(?<![\\w.-])${count}(?![\\w.-])`),
    );
    for (const [kind, array] of [
      ['an integer', Uint32Array.of(count)],
      ['a float', Float32Array.of(count)],
      ['a double', Float64Array.of(count)],
    ] as const) {
      expect(everything.includes(Buffer.from(array.buffer)), `the count ${count} left as ${kind}`).toBe(
        false,
      );
    }
  }
}

test('texts, token ids and counts of rows stay in the tab', async ({ serve, newTab }) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 },
  });
  const tab = await newTab();
  const outgoing = captureOutgoing(tab);
  await contribute(tab, serving.tabUrl, canaryCsv());
  const { run } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'completed');
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');

  // The capture works: both updates are in it, whole
  expect(outgoing.binary.map(({ length }) => length)).toEqual(Array(2).fill(largestUpdateBytes(run.plan)));
  expect(outgoing.sent.some((bytes) => bytes.includes('"join"'))).toBe(true);
  // … and what the worker asks for, too: the model comes through it
  expect(outgoing.sent.some((bytes) => bytes.includes('/models/'))).toBe(true);

  expectStrictMessages(outgoing, ['join', 'offer', 'update']);
  for (const [event, value] of messagesIn(outgoing)) {
    if (event === 'join') expect(joinSchema.parse(value).chargedRounds).toEqual([]);
  }
  expectOnlyIdentityPosted(outgoing, run);
  expectNoRowsIn(outgoing.sent);
});

test('nor do they leave with local counts, a pause, a reload and a stop', async ({ serve, newTab }) => {
  const serving = await serve({
    ...SMALL_RUN,
    // So much noise that an exact count among the noised ones would be no chance
    localMetrics: { noiseMultiplier: 1e6 },
    rounds: { count: 500, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 },
  });
  const { contributeUrl, tabUrl } = serving;
  const tab = await newTab();
  const { page } = tab;
  const outgoing = captureOutgoing(tab);
  const anotherRound = async () => {
    const { adapterVersion } = (await fetchRun(contributeUrl)).state;
    return untilRun(contributeUrl, ({ state }) => state.adapterVersion > adapterVersion);
  };
  await contribute(tab, tabUrl, canaryCsv());
  await anotherRound();
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'paused');
  await page.getByRole('button', { name: 'Resume' }).click();
  await anotherRound();
  await contribute(tab, tabUrl, canaryCsv()); // opens the page anew
  const { run } = await anotherRound();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('button', { name: 'Stop for good' }).click();
  await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');
  await expect.poll(() => messagesIn(outgoing).at(-1)?.[0]).toBe('leave');

  const handshakes = expectStrictMessages(outgoing, ['join', 'availability', 'offer', 'update', 'leave']);
  expectOnlyIdentityPosted(outgoing, run);
  const of = <Event extends keyof typeof SCHEMAS>(event: Event) =>
    messagesIn(outgoing)
      .filter(([name]) => name === event)
      .map(([, value]) => value);
  const availabilities = of('availability').map((value) => availabilitySchema.parse(value).availability);
  expect(availabilities).toEqual(expect.arrayContaining(['paused', 'available']));
  // Of the ledger, only which rounds left, and only from somebody who says who she is
  const sentRounds = of('update').map((value) => updateSchema.parse(value).round);
  const joins = of('join').map((value) => joinSchema.parse(value));
  expect(joins.at(0)).toMatchObject({ chargedRounds: [] });
  expect(handshakes.at(0)).not.toHaveProperty('identity');
  expect(joins.at(-1)!.chargedRounds.length).toBeGreaterThan(0);
  expect(handshakes.at(-1)).toHaveProperty('identity');
  for (const { chargedRounds } of joins) expect(sentRounds).toEqual(expect.arrayContaining(chargedRounds));

  // The counts are there, and are not the true ones
  expect(outgoing.binary.length).toBe(sentRounds.length);
  expect(new Set(outgoing.binary.map(({ length }) => length))).toEqual(
    new Set([largestUpdateBytes(run.plan)]),
  );
  for (const bytes of outgoing.binary) {
    const { localCounts } = decodeUpdate(bytes, bindingOf(run));
    expect(localCounts).not.toBeNull();
    for (const count of [HEALTH_ROWS, MONEY_ROWS, HEALTH_ROWS + MONEY_ROWS]) {
      expect([localCounts!.correct, localCounts!.rows]).not.toContain(count);
    }
  }
  expectNoRowsIn(outgoing.sent);
});
