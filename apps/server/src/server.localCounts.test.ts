import { afterEach, expect, it } from 'vitest';
import { publicRunSchema } from '@chorale/protocol';
import { TestSite, codeOf, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

const VALUES = [0.1, 0.2, 0.3, 0.4];
const COUNTS = { correct: 41, rows: 62 };
const rounds = { count: 2, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 60 };

it("adds up a cohort's noisy counts, the standard deviation of the noise too", async () => {
  site = new TestSite({ rounds, localMetrics: { noiseMultiplier: 20 } });
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  for (const [one, counts] of [
    [a!, COUNTS],
    [b!, { correct: -4, rows: 17 }],
  ] as const) {
    await one.round(1);
    const payload = one.encode(1, VALUES, {}, counts);
    expect(await one.deliver(1, payload)).toMatchObject({ ok: true });
  }
  const run = publicRunSchema.parse(
    await until(async () => {
      const seen = await getRun(server);
      return seen.state.adapterVersion === 1 && seen;
    }, 'the round to close'),
  );
  expect(run.rounds.map(({ localMetrics }) => localMetrics)).toEqual([
    null,
    { correct: 37, rows: 79, noiseStdDev: 3 * Math.sqrt(2) },
  ]);
  expect(run.rounds[1]!.uplinkBytes).toBe(a!.encode(1, VALUES, {}, COUNTS).byteLength);
});

it('refuses counts that no rows and no noise of this run make', async () => {
  // 320 rows at most, and noise of standard deviation 3 on each count
  site = new TestSite({
    rounds,
    localMetrics: { noiseMultiplier: 20 },
    aggregation: { normWindow: 'noise-law' },
  });
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  for (const one of [a!, b!]) await one.round(1);
  // Eight times the noise of a step, root 10 of it in each of four values: a norm in the window
  const noise = ((0.5 * 1) / 8) * 1.25 * Math.sqrt(10);
  const values = [noise, -noise, noise, -noise];
  for (const counts of [
    { correct: Number.MAX_SAFE_INTEGER, rows: 62 },
    { correct: 41, rows: 343 },
    { correct: -23, rows: 62 },
    { correct: 41, rows: -Number.MAX_SAFE_INTEGER },
  ]) {
    const payload = a!.encode(1, values, {}, counts);
    expect(codeOf(await a!.deliver(1, payload))).toBe('UPDATE_OUT_OF_WINDOW');
  }
  const ends = [
    [a!, { correct: -22, rows: 342 }],
    [b!, { correct: 342, rows: -22 }],
  ] as const;
  for (const [one, counts] of ends)
    expect(await one.deliver(1, one.encode(1, values, {}, counts))).toMatchObject({ ok: true });
});

it('refuses an update that lacks the counts, and one that has them unasked', async () => {
  site = new TestSite({ rounds, localMetrics: { noiseMultiplier: 20 } });
  const asking = await site.start();
  const [a] = await site.joined(asking, 2);
  await a!.round(1);
  expect(codeOf(await a!.send(1, VALUES))).toBe('UPDATE_MALFORMED');
  await site.clean();

  site = new TestSite({ rounds });
  const server = await site.start();
  const [b] = await site.joined(server, 2);
  await b!.round(1);
  const payload = b!.encode(1, VALUES, {}, COUNTS);
  expect(codeOf(await b!.deliver(1, payload))).toBe('UPDATE_MALFORMED');
});
