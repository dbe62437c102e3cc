import { afterEach, expect, it } from 'vitest';
import { publicRunSchema, runDetailSchema, runStateSchema } from '@chorale/protocol';
import {
  INITIAL_PARAMETERS,
  TestSite,
  asAdmin,
  codeOf,
  getDetail,
  getRun,
  testParts,
  until,
} from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

/** float64 mean in this order, added to the parameters: computed apart from the server's code. */
function meanOf(parameters: readonly number[], ...updates: number[][]): number[] {
  return parameters.map(
    (value, i) => value + updates.reduce((sum, update) => sum + Math.fround(update[i]!), 0) / updates.length,
  );
}

const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 1e-7, 12345.678];
const U3 = [-0.3, 0.3, -0.3, 0.3];

it('runs two rounds to the mean of their updates, measured after each', async () => {
  site = new TestSite();
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  const first = await a!.round(1);
  expect(first).toMatchObject({
    runId: server.runId,
    attempt: 1,
    adapterVersion: 0,
    parameters: INITIAL_PARAMETERS,
  });
  expect(first.timeLeftMs).toBeGreaterThan(55_000);

  // The order of arrival does not matter.
  expect(await b!.send(1, U2)).toEqual({ ok: true, value: { round: 1, duplicate: false } });
  expect(await a!.send(1, U1)).toEqual({ ok: true, value: { round: 1, duplicate: false } });
  const afterOne = meanOf([...INITIAL_PARAMETERS], U1, U2);
  const second = await b!.round(2);
  expect(second).toMatchObject({ adapterVersion: 1, parameters: Float32Array.from(afterOne) });

  await b!.round(2).then(() => b!.send(2, U3));
  await a!.round(2).then(() => a!.send(2, U2));
  const afterTwo = Float32Array.from(meanOf(afterOne, U2, U3));
  const { state, rounds } = publicRunSchema.parse(
    await until(async () => {
      const run = await getRun(server);
      return run.state.status === 'completed' && run;
    }, 'completed'),
  );
  expect(state).toMatchObject({ adapterVersion: 2, reason: 'all 2 rounds are done' });
  expect((await getDetail(server)).plannedEpsilon).toBe(1);
  expect(rounds).toMatchObject([
    { round: 0, cohort: 0, received: 0, adapterVersion: 0, testAccuracy: 0.5, spentEpsilon: 0 },
    {
      round: 1,
      cohort: 2,
      received: 2,
      adapterVersion: 1,
      spentEpsilon: 0.5,
      attempt: 1,
      uplinkBytes: 88 + 16,
    },
    { round: 2, adapterVersion: 2, testAccuracy: afterTwo[0], testLoss: afterTwo[1], spentEpsilon: 1 },
  ]);
  // Contributors heard the same.
  await until(() => a!.states.at(-1)?.status === 'completed', 'the last state');
  expect(a!.records.filter(({ round }) => round > 0).map(({ round }) => round)).toEqual([1, 2]);
  expect(a!.ends).toMatchObject([
    { round: 1, outcome: 'aggregated', received: 2, adapterVersion: 1 },
    { round: 2, outcome: 'aggregated', adapterVersion: 2 },
  ]);
  for (const one of a!.states) runStateSchema.parse(one);

  const detail = runDetailSchema.parse(await getDetail(server));
  expect(detail.contributors).toMatchObject([
    { online: true, rounds: 2, spentEpsilon: 1, backend: 'wasm', lastRefusal: null },
    { online: true, rounds: 2 },
  ]);
  const zip = new Uint8Array(await (await asAdmin(server, `runs/${server.runId}/adapter.zip`)).arrayBuffer());
  const { unzipSync } = await import('fflate');
  const exported = unzipSync(zip)['adapter_model.safetensors']!;
  expect(new Float32Array(exported.slice().buffer)).toEqual(afterTwo);
  const card = new TextDecoder().decode(unzipSync(zip)['README.md']);
  expect(card).toContain('The classifier reads the mean over the vectors of the real tokens');
  expect(card).toContain(
    'epsilon 1 (rounded up, of the contributor who is charged most, late and refused updates included) and delta\n0.00001',
  );
  expect(card).toContain('adapter version 2 of 2');
  expect(card).not.toContain('NO PRIVACY');
  expect(site.problems).toEqual([]);
});

it('takes turns over what rounds train, and leaves the rest of the adapter alone', async () => {
  site = new TestSite();
  const trainedRanges = [
    { start: 0, end: 3 },
    { start: 2, end: 4 },
  ];
  const server = await site.start({
    describeAdapter: async (files, config) => ({
      ...(await testParts.describeAdapter(files, config)),
      tensors: [
        { name: 'b', count: 2 },
        { name: 'head', count: 1 },
        { name: 'a', count: 1 },
      ],
      trainedRanges,
    }),
  });
  const [a, b] = await site.joined(server, 2);
  const full = await a!.round(1);
  expect(full.parameters).toEqual(INITIAL_PARAMETERS);
  expect(
    codeOf(
      await a!.deliver(
        1,
        a!.encode(1, U1.slice(0, 2), {
          trainedRanges: [trainedRanges[1]!],
        }),
      ),
    ),
  ).toBe('UPDATE_SIZE');
  await a!.send(1, [1, 2, 3]);
  await b!.send(1, [3, 4, 5]);
  const [p0, p1, p2, p3] = INITIAL_PARAMETERS;
  const second = await a!.round(2);
  expect(second.parameters).toEqual(Float32Array.of(p0! + 2, p1! + 3, p2! + 4, p3!));
  await a!.send(2, [10, 20]);
  await b!.send(2, [30, 40]);
  const { rounds } = await until(async () => {
    const run = await getRun(server);
    return run.state.status === 'completed' && run;
  }, 'completed');
  expect(rounds.map(({ uplinkBytes }) => uplinkBytes)).toEqual([88 + 12, 88 + 12, 88 + 8]);
  const zip = new Uint8Array(await (await asAdmin(server, `runs/${server.runId}/adapter.zip`)).arrayBuffer());
  const { unzipSync } = await import('fflate');
  const exported = unzipSync(zip)['adapter_model.safetensors']!;
  expect(new Float32Array(exported.slice().buffer)).toEqual(
    Float32Array.of(p0! + 2, p1! + 3, p2! + 4 + 20, p3! + 30),
  );
});

it('refuses each wrong update with its own code, and goes on', async () => {
  site = new TestSite();
  const server = await site.start();
  const stranger = await site.contributor(server);
  expect(codeOf(await stranger.ask('update', { round: 1 }, stranger.encode(1, U1)))).toBe('NOT_JOINED');

  const [a, b] = await site.joined(server, 2);
  await stranger.joinOrThrow();
  await a!.round(1);
  const send = (payload: unknown) => a!.sendGranted({ round: 1 }, payload);
  const good = a!.encode(1, U1);
  expect(codeOf(await stranger.send(1, U1))).toBe('UPDATE_NOT_IN_COHORT');
  expect(codeOf(await send(good.subarray(0, 40)))).toBe('UPDATE_MALFORMED');
  expect(codeOf(await send(new Uint8Array(96)))).toBe('UPDATE_MALFORMED');
  expect(codeOf(await send(a!.encode(1, U1, { planHash: 'f'.repeat(64) })))).toBe('UPDATE_MALFORMED');
  expect(codeOf(await send(a!.encode(1, U1, { basisHash: 'f'.repeat(64) })))).toBe('UPDATE_MALFORMED');
  expect(codeOf(await send(a!.encode(2, U1)))).toBe('UPDATE_MALFORMED'); // bytes of another round than announced
  expect(codeOf(await send(a!.encode(1, [1, 2], { trainedRanges: [{ start: 0, end: 2 }] })))).toBe(
    'UPDATE_SIZE',
  );
  for (const value of [Number.NaN, Infinity, 2e6]) {
    const bytes = a!.encode(1, [1, 1, 1, 1]); // our own codec encodes no such value
    new DataView(bytes.buffer).setFloat32(bytes.length - 12, value, true);
    expect(codeOf(await send(bytes))).toBe('UPDATE_NOT_FINITE');
  }
  expect(codeOf(await a!.send(2, U1))).toBe('UPDATE_WRONG_ROUND');
  expect(codeOf(await send('text'))).toBe('MESSAGE_INVALID');
  expect(codeOf(await a!.sendGranted({ round: 1, extra: 1 }, good))).toBe('MESSAGE_INVALID');
  expect(codeOf(await a!.sendGranted({ round: 0 }, good))).toBe('MESSAGE_INVALID');
  expect(codeOf(await a!.sendGranted({ runId: 'other', round: 1 }, good))).toBe('MESSAGE_INVALID');
  expect((await getRun(server)).state.received).toBe(0);
  const refusals = (await getDetail(server)).contributors.map((one) => one.lastRefusal);
  expect(new Set(refusals)).toEqual(new Set(['UPDATE_NOT_FINITE', null]));

  expect(await a!.send(1, U1)).toMatchObject({ ok: true, value: { duplicate: false } });
  expect(await a!.send(1, U1)).toMatchObject({ ok: true, value: { duplicate: true } });
  expect(codeOf(await a!.send(1, U2))).toBe('UPDATE_CONFLICT');
  await b!.send(1, U2);
  await until(async () => (await getRun(server)).state.round === 2, 'round 2');
  // After the round: the same bytes are still acknowledged, nothing else is taken.
  expect(await a!.send(1, U1)).toMatchObject({ ok: true, value: { duplicate: true } });
  expect(codeOf(await stranger.send(1, U1))).toBe('UPDATE_WRONG_ROUND');
  expect((await getRun(server)).state).toMatchObject({ adapterVersion: 1, round: 2, status: 'training' });
});

it('closes a connection that sends more than an update, and nothing else happens', async () => {
  site = new TestSite();
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  await a!.round(1);
  const disconnected = new Promise((resolve) => a!.socket.once('disconnect', resolve));
  void a!.ask('update', { round: 1 }, new Uint8Array(8192)).catch(() => {});
  expect(await disconnected).toBe('transport close');
  // b alone is above the minimum once the grace of a is over.
  await b!.send(1, U1);
  await until(async () => (await getRun(server)).state.adapterVersion === 1, 'the round to close');
  expect((await getRun(server)).rounds.at(-1)).toMatchObject({ cohort: 2, received: 1 });
});

it('refuses joins that do not fit, each with its code', async () => {
  site = new TestSite();
  const server = await site.start();
  const one = await site.contributor(server);
  expect(codeOf(await one.join({ protocolVersion: 99, someFutureField: 1 }))).toBe('PROTOCOL_MISMATCH');
  expect(codeOf(await one.join({ someField: 1 }))).toBe('MESSAGE_INVALID');
  expect(codeOf(await one.ask('join', null))).toBe('MESSAGE_INVALID');
  expect(codeOf(await one.join({ runId: 'other' }))).toBe('RUN_UNKNOWN');
  expect(codeOf(await one.join({ planHash: 'f'.repeat(64) }))).toBe('PLAN_CHANGED');
  expect(codeOf(await one.join({ basisHash: 'f'.repeat(64) }))).toBe('PLAN_CHANGED');
  const token = 'x'.repeat(43);
  expect(codeOf(await one.join({ identity: { contributorId: 'nobody00', token } }))).toBe('IDENTITY_INVALID');
  const { contributorId } = await one.joinOrThrow();
  expect(codeOf(await one.join({ identity: { contributorId, token } }))).toBe('IDENTITY_INVALID');
  expect(codeOf(await one.ask('availability', { availability: 'yes' }))).toBe('MESSAGE_INVALID');
  expect((await getDetail(server)).contributors).toHaveLength(1);
  await asAdmin(server, `runs/${server.runId}/stop`, { method: 'POST' });
  expect(codeOf(await one.join())).toBe('RUN_ENDED');
});

it('survives events without acknowledgement, with the wrong shape, and ones it does not know', async () => {
  site = new TestSite();
  const server = await site.start();
  const one = await site.contributor(server);
  const loose = one.socket as unknown as { emit(...args: unknown[]): void };
  loose.emit('join');
  loose.emit('update', { runId: 1 });
  loose.emit('update', JSON.parse('{"__proto__": {"runId": "x"}}'), new Uint8Array(4));
  loose.emit('unknown', 1);
  loose.emit('leave', 'not a function');
  expect((await one.joinOrThrow()).state.available).toBe(1);
  expect(site.problems).toEqual([]);
});

it('goes on with the same contributor on a new connection, and ends the old one', async () => {
  site = new TestSite();
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  await a!.round(1);
  await b!.send(1, U2);
  // A second tab, or the same one before the server noticed that the first connection is dead.
  const again = await site.contributor(server);
  again.identity = a!.identity;
  const ended = new Promise((resolve) => a!.socket.once('disconnect', resolve));
  const joined = await again.joinOrThrow();
  expect(joined).toMatchObject({ ...a!.identity, chargedRounds: [] });
  expect(await ended).toBe('io server disconnect');
  expect(await again.round(1)).toMatchObject({ attempt: 1 });
  expect(await again.send(1, U1)).toMatchObject({ ok: true });
  const second = await again.round(2);
  expect(second.parameters).toEqual(Float32Array.from(meanOf([...INITIAL_PARAMETERS], U1, U2)));
  expect((await getDetail(server)).contributors).toHaveLength(2);
});

it('does not wait for somebody who leaves, and does not choose those who paused', async () => {
  site = new TestSite();
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  await a!.round(1);
  await a!.send(1, U1);
  expect(codeOf(await b!.ask('leave', {}))).toBe('ok');
  // Nobody waited for her; who she is stays proved
  expect(codeOf(await b!.send(1, U1))).toBe('UPDATE_WRONG_ROUND');
  const { state } = await until(async () => {
    const run = await getRun(server);
    return run.state.adapterVersion === 1 && run.state.status === 'recruiting' && run;
  }, 'the next round');
  expect(state).toMatchObject({ round: 2, available: 1, reason: 'waiting for contributors: 1 of 2' });
  await a!.ask('availability', { availability: 'paused' });
  await site.joined(server, 1);
  expect((await getRun(server)).state).toMatchObject({ status: 'recruiting', available: 1 });
  await a!.ask('availability', { availability: 'available' });
  expect(await a!.round(2)).toMatchObject({ adapterVersion: 1 });
});

it('starts a round again when too few delivered, and keeps what was stored', async () => {
  site = new TestSite({ rounds: { count: 1, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 60 } });
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  await a!.round(1);
  await a!.send(1, U1);
  b!.socket.disconnect();
  await until(
    async () => (await getRun(server)).state.status === 'recruiting',
    'the attempt to be abandoned',
  );
  const [c] = await site.joined(server, 1);
  expect(await c!.round(1)).toMatchObject({ attempt: 2, adapterVersion: 0 });
  await c!.send(1, U2);
  await until(async () => (await getRun(server)).state.status === 'completed', 'completed');
  const { rounds } = await getRun(server);
  expect(rounds[1]).toMatchObject({ attempt: 2, received: 2 });
  const expected = Float32Array.from(meanOf([...INITIAL_PARAMETERS], U1, U2));
  expect(rounds[1]!.testAccuracy).toBe(expected[0]);
  expect(a!.ends).toMatchObject([{ outcome: 'aggregated' }]);
});

it('goes on when an evaluation fails, and says so', async () => {
  site = new TestSite();
  let calls = 0;
  const server = await site.start({
    openEvaluation: () => ({
      evaluate: async () => {
        calls++;
        throw new Error('no backend');
      },
      dispose: () => {},
    }),
  });
  const [a, b] = await site.joined(server, 2);
  await a!.round(1);
  await a!.send(1, U1);
  await b!.send(1, U2);
  await a!.round(2);
  const { state, rounds } = await getRun(server);
  expect(state.reason).toBe(
    'waiting for updates: 0 of 2; the evaluation of round 1 failed: an unexpected error; the server log has it',
  );
  expect(rounds[1]).toMatchObject({ testAccuracy: null, testLoss: null, received: 2 });
  expect(calls).toBe(2);
  expect(site.problems).toHaveLength(2);
});
