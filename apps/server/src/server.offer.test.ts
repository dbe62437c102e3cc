import { afterEach, describe, expect, it } from 'vitest';
import { sha256Of } from './fileStore.ts';
import type { RunningServer } from './server.ts';
import type { ScriptedContributor } from './testServer.fixture.ts';
import { TestSite, asAdmin, codeOf, getDetail, getRun, testParts, until } from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 0.5, 1];

const lifted = 1_000_000;
const LIMITS = {
  connections: lifted,
  connectionsPerAddress: lifted,
  joinsPerAddressPerHour: lifted,
  messagesPerSecond: 20,
  bytesPerMinute: 64 * 2 ** 20,
  requestsPerMinutePerAddress: lifted,
  signInsPerMinutePerAddress: 30,
};

describe('an offer', () => {
  it('is answered with what the update would be, before any of its bytes are sent', async () => {
    site = new TestSite();
    const server = await site.start();
    const stranger = await site.contributor(server);
    const [a, b] = await site.joined(server, 2);
    await a!.round(1);
    const payload = a!.encode(1, U1);
    const offer = { round: 1, sha256: sha256Of(payload), payloadBytes: payload.length };
    expect(codeOf(await stranger.ask('offer', offer))).toBe('NOT_JOINED');
    await stranger.joinOrThrow();
    expect(codeOf(await stranger.ask('offer', offer))).toBe('UPDATE_NOT_IN_COHORT');
    expect(codeOf(await a!.ask('offer', { ...offer, round: 2 }))).toBe('UPDATE_WRONG_ROUND');
    expect(codeOf(await a!.ask('offer', { ...offer, payloadBytes: 3 }))).toBe('UPDATE_SIZE');
    for (const changes of [{ round: 0 }, { sha256: 'x' }, { payloadBytes: 0 }, { runId: server.runId }]) {
      expect(codeOf(await a!.ask('offer', { ...offer, ...changes }))).toBe('MESSAGE_INVALID');
    }
    expect(await a!.ask('offer', offer)).toEqual({ ok: true, value: 'send' });
    expect(await a!.ask('update', { round: 1 }, payload)).toMatchObject({ ok: true });
    expect(await a!.ask('offer', offer)).toEqual({ ok: true, value: 'stored' });
    expect(codeOf(await a!.ask('offer', { ...offer, sha256: 'f'.repeat(64) }))).toBe('UPDATE_CONFLICT');
    await b!.send(1, U2);
    await until(async () => (await getRun(server)).state.adapterVersion === 1, 'the aggregate');
    expect(await a!.ask('offer', offer)).toEqual({ ok: true, value: 'stored' });
    const { contributors } = await getDetail(server);
    expect(contributors.map(({ chargedRounds }) => chargedRounds)).toEqual([1, 1, 0]);
    await asAdmin(server, `runs/${server.runId}/stop`, { method: 'POST' });
    expect(codeOf(await b!.ask('offer', { ...offer, round: 2 }))).toBe('RUN_ENDED');
    expect(await a!.ask('offer', offer)).toEqual({ ok: true, value: 'stored' });
  });

  it('lets one update through, and no update comes without one', async () => {
    site = new TestSite();
    const server = await site.start();
    const [a] = await site.joined(server, 2);
    await a!.round(1);
    const payload = a!.encode(1, U1);
    const refused = await a!.ask('update', { round: 1 }, payload);
    expect(refused).toMatchObject({ ok: false, error: { code: 'RATE_LIMITED', retryable: true } });
    expect((await getRun(server)).state.received).toBe(0);
    expect(codeOf(await a!.offer(1, payload))).toBe('ok');
    expect(codeOf(await a!.ask('update', { round: 1 }, payload.subarray(1)))).toBe('UPDATE_MALFORMED');
    expect(codeOf(await a!.ask('update', { round: 1 }, payload))).toBe('RATE_LIMITED');
    expect(codeOf(await a!.deliver(1, payload))).toBe('ok');
    expect((await getRun(server)).state.received).toBe(1);
  });
});

describe('when many answer at once', () => {
  const COHORT = 200;
  /** Of the largest message: so many fit, however little room the setting gives. */
  const AT_ONCE = 4;
  const COUNT = 64;

  async function crowd(): Promise<{ server: RunningServer; all: ScriptedContributor[] }> {
    site = new TestSite({
      rounds: { count: 2, cohortSize: COHORT, minimumUpdates: COHORT, deadlineSeconds: 600 },
    });
    const tensors = [{ name: 'b', count: COUNT }];
    const server = await site.start(
      {
        describeAdapter: async (files, config) => ({
          ...(await testParts.describeAdapter(files, config)),
          parameterCount: COUNT,
          tensors,
          trainedRanges: [{ start: 0, end: COUNT }],
          initialParameters: new Float32Array(COUNT),
        }),
      },
      { transferBytes: 0, settings: { limits: LIMITS } },
    );
    const all = await site.joined(server, COHORT);
    await Promise.all(all.map((one) => one.round(1)));
    return { server, all };
  }

  it('so many bytes are on their way, the others wait in the order in which they asked, and all come through', async () => {
    const { server, all } = await crowd();
    const values = Array.from({ length: COUNT }, (_, k) => k / 7);
    const granted: number[] = [];
    let most = 0;
    let underWay = 0;
    const deliver = async (one: ScriptedContributor, k: number): Promise<string> => {
      const payload = one.encode(1, values);
      const offered = await one.ask('offer', {
        round: 1,
        sha256: sha256Of(payload),
        payloadBytes: payload.length,
      });
      if (!offered.ok) return offered.error.code;
      granted.push(k);
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setTimeout(resolve, 5)); // a slow line
      underWay -= 1;
      return codeOf(await one.ask('update', { round: 1 }, payload));
    };
    const answers: Promise<string>[] = [];
    for (const [k, one] of all.entries()) {
      answers.push(deliver(one, k));
      // In this order at the server too
      if (k % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await Promise.all(answers)).toEqual(all.map(() => 'ok'));
    expect(most).toBeLessThanOrEqual(AT_ONCE);
    expect(most).toBeGreaterThan(1);
    // Nobody was passed by all others; neighbours may have asked in another order than they were called
    for (const [place, k] of granted.entries()) expect(Math.abs(place - k)).toBeLessThan(40);
    await until(async () => (await getRun(server)).state.adapterVersion === 1, 'the aggregate');
    expect((await getRun(server)).rounds.at(-1)).toMatchObject({ received: COHORT });
    expect(site.problems).toEqual([]);
  }, 60_000);

  it('those that go while they wait, or hold a grant, leave their room to the others', async () => {
    const { server, all } = await crowd();
    const values = Array.from({ length: COUNT }, (_, k) => k / 7);
    const offers = all.map((one) => one.offer(1, one.encode(1, values)).catch(() => null));
    await new Promise((resolve) => setTimeout(resolve, 300));
    // Whoever holds a grant, and half of those who wait
    for (const [k, one] of all.entries()) if (k < 20 || k % 2 === 0) one.socket.disconnect();
    const stayed = all.filter((_, k) => k >= 20 && k % 2 === 1);
    await Promise.all(
      stayed.map(async (one) => {
        const offered = await offers[all.indexOf(one)]!;
        expect(offered).toEqual({ ok: true, value: 'send' });
        expect(codeOf(await one.ask('update', { round: 1 }, one.encode(1, values)))).toBe('ok');
      }),
    );
    expect((await getRun(server)).state.received).toBe(stayed.length);
    const back = all.filter((one) => !stayed.includes(one));
    for (const one of back) await one.joinOrThrow();
    expect(await Promise.all(back.map(async (one) => codeOf(await one.send(1, values))))).toEqual(
      back.map(() => 'ok'),
    );
    await until(async () => (await getRun(server)).state.adapterVersion === 1, 'the aggregate');
  }, 60_000);

  it('who waits hears at her turn that her round is over', async () => {
    site = new TestSite({
      rounds: { count: 2, cohortSize: 5, minimumUpdates: 4, overSelection: 1, deadlineSeconds: 600 },
    });
    const server = await site.start({}, { transferBytes: 0, settings: { limits: LIMITS } });
    const all = await site.joined(server, 10);
    await Promise.all(all.map((one) => one.round(1)));
    const told: [number, string][] = [];
    for (const [k, one] of all.entries()) {
      void one.offer(1, one.encode(1, U1)).then((answer) => told.push([k, codeOf(answer)]));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const send = async (k: number): Promise<string> => {
      await until(() => told.some(([who]) => who === k), `the turn of ${k}`);
      return codeOf(await all[k]!.ask('update', { round: 1 }, all[k]!.encode(1, U1)));
    };
    for (const k of [0, 1, 2, 3, 4]) expect(await send(k)).toBe('ok');
    await until(async () => (await getRun(server)).state.adapterVersion === 1, 'the aggregate');
    expect(told.map(([k]) => k)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(await send(5)).toBe('UPDATE_WRONG_ROUND');
    await until(() => told.length === 10, 'the last turn');
    expect(told.at(-1)).toEqual([9, 'UPDATE_WRONG_ROUND']);
    // What she did not get is free: the others, who sit on theirs, leave room for one
    expect(codeOf(await all[9]!.offer(1, all[9]!.encode(1, U1)))).toBe('UPDATE_WRONG_ROUND');
    await all[0]!.round(2);
    expect(await all[0]!.offer(2, all[0]!.encode(2, U1))).toEqual({ ok: true, value: 'send' });
  });
});
