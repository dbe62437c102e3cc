import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { checkNorm, normWindow } from '@chorale/coordinator';
import { readTinyEncoder } from '@chorale/model/testing/tinyEncoder';
import type { RunConfigInput } from '@chorale/protocol';
import { decodeUpdate, parseRunConfig, rowLimit } from '@chorale/protocol';
import { describeAdapter, resolveNoiseMultiplier } from '@chorale/trainer';
import { afterAll, expect, test } from 'vitest';
import { openSeedDevice } from './seedDevice.ts';
import { readSimulationInputs } from './simulationInputs.ts';
import { configOfSeed } from './simulateSeed.ts';
import { smallConfig, writeSmallSimulation } from './testing/smallSimulation.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const place = mkdtempSync(join(tmpdir(), 'chorale-norm-'));
afterAll(() => rmSync(place, { recursive: true }));

/** Few values have a wide law: with rank 8 there are 274. */
const ADAPTER = { ...smallConfig().adapter, rank: 8 };

/** What a simulated tab of all rows really sends over some rounds, and the window it must be in. */
async function realUpdates(change: Partial<RunConfigInput>, rounds: number) {
  const inputs = readSimulationInputs(
    writeSmallSimulation(place, smallConfig({ adapter: ADAPTER, ...change })),
  );
  const { files, trainRows } = inputs;
  const config = configOfSeed(inputs, 1);
  const { initialParameters, ...facts } = await describeAdapter(files, config);
  const noiseMultiplier = resolveNoiseMultiplier(config);
  const binding = { ...facts, planHash: 'ab'.repeat(32), encoding: config.transport.encoding };
  const clients = [trainRows.slice(0, rowLimit(config)), []];
  const setup = { backend: 'cpu', seed: 1, files, config, noiseMultiplier, binding, clients } as const;
  const device = await openSeedDevice({ ...setup, testRows: null });
  const updates: { round: number; values: Float32Array }[] = [];
  for (const client of [0, 1]) {
    for (let round = 1; round <= rounds; round++) {
      updates.push(decodeUpdate(await device.train(client, round, initialParameters), binding));
    }
  }
  await device.close();
  const plan = { config, noiseMultiplier, trainedRanges: facts.trainedRanges };
  return { plan, updates };
}

const protectedBy = (unit: 'example' | 'contributor', noise: 'rounded-gaussian' | 'discrete-gaussian') => ({
  privacy: { unit, noise, noiseMultiplier: 1, targetDelta: 1e-3 },
});
const { training: small } = smallConfig();

test.each(
  (['example', 'contributor'] as const).flatMap((unit) =>
    (['flat', 'automatic'] as const).flatMap((clipping) =>
      (['f32', 'f16', 'int8'] as const).map((encoding) => [unit, clipping, encoding] as const),
    ),
  ),
)('real updates of unit %s, clipping %s, encoding %s are in the window', async (unit, clipping, encoding) => {
  const noise = encoding === 'f32' && clipping === 'flat' ? 'discrete-gaussian' : 'rounded-gaussian';
  const { plan, updates } = await realUpdates(
    { ...protectedBy(unit, noise), training: { ...small, clipping }, transport: { encoding } },
    3,
  );
  expect(updates).toHaveLength(6);
  for (const { round, values } of updates) {
    expect(() => checkNorm(values, normWindow(plan, round))).not.toThrow();
    // Not because the window holds everything
    for (const factor of [0.02, 50]) {
      const scaled = values.map((value) => value * factor);
      expect(() => checkNorm(scaled, normWindow(plan, round))).toThrow(/norm from/);
    }
  }
});

test('rolora: each round has the window of what it trains', async () => {
  const { plan, updates } = await realUpdates({ adapter: { ...ADAPTER, strategy: 'rolora' } }, 2);
  for (const { round, values } of updates) checkNorm(values, normWindow(plan, round));
});

test('a real update without noise, nothing, and a boosted one are refused where noise rules', async () => {
  // Batches of one or two, a hundred times as much noise
  const training = { ...small, localSteps: 1, samplingRate: 0.01, expectedBatchSize: 1 };
  const privacy = { unit: 'example', noiseMultiplier: 20, targetDelta: 1e-3 } as const;
  const { plan, updates } = await realUpdates({ training, privacy }, 1);
  const window = normWindow(plan, 1)!;
  const [honest] = updates;
  checkNorm(honest!.values, window);
  const plain = await realUpdates({ training, privacy: { unit: 'none' } }, 3);
  expect(normWindow(plain.plan, 1)).toBeNull();
  const wrong = [
    new Float32Array(honest!.values.length),
    ...plain.updates.map(({ values }) => values),
    ...[2, 3, 5, 10].map((boost) => honest!.values.map((value) => boost * value)),
  ];
  for (const values of wrong) {
    expect(() => checkNorm(values, window)).toThrow(
      expect.objectContaining({ code: 'UPDATE_OUT_OF_WINDOW' }),
    );
  }
});

const demo = JSON.parse(readFileSync(join(ROOT, 'assets/runs/demo.json'), 'utf8')) as RunConfigInput;
const example = { ...demo.training, localSteps: 10, expectedBatchSize: 50 };
const fixed = (unit: 'example' | 'contributor') => ({
  privacy: { unit, noiseMultiplier: 1, targetDelta: 1e-5 },
});

/** Name of a row in docs/aggregation.md, what it changes in the demo's config, number of values that a round trains. */
const ROWS: [string, Partial<RunConfigInput>, number][] = [
  ['the demo', {}, 4354],
  ['the demo, int8', { transport: { encoding: 'int8' } }, 4354],
  ['the demo, unit contributor, noise 1', fixed('contributor'), 4354],
  ['10 steps, batches of 50, noise 1', { ...fixed('example'), training: example }, 36_864],
  ['the same, 1 step', { ...fixed('example'), training: { ...example, localSteps: 1 } }, 36_864],
  [
    '10 steps, batches of 8, noise 1',
    { ...fixed('example'), training: { ...example, expectedBatchSize: 8 } },
    147_456,
  ],
];

test.each(ROWS)('docs/aggregation.md tells the window of: %s', (name, change, count) => {
  const config = parseRunConfig({ ...demo, ...change });
  const noiseMultiplier = resolveNoiseMultiplier(config);
  const plan = { config, noiseMultiplier, trainedRanges: [{ start: 0, end: count }] };
  const { lowest, highest } = normWindow(plan, 1)!;
  const { learningRate, clippingNorm, expectedBatchSize, localSteps } = config.training;
  const byExample = config.privacy.unit === 'example';
  const noise = byExample
    ? ((learningRate * clippingNorm) / expectedBatchSize) * noiseMultiplier * Math.sqrt(localSteps * count)
    : 2 * clippingNorm * noiseMultiplier * Math.sqrt(count);
  const cells = [
    name,
    count.toLocaleString('en'),
    noise.toPrecision(3),
    `${lowest.toPrecision(3)} to ${highest.toPrecision(3)}`,
    `${(lowest / noise).toFixed(2)} to ${(highest / noise).toFixed(2)}`,
  ];
  const page = readFileSync(join(ROOT, 'docs/aggregation.md'), 'utf8');
  const rows = page.split('\n').map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  expect(rows.find(([first]) => first === name)).toEqual(cells);
});

test("the demo's rounds train as many values as docs/aggregation.md says", async () => {
  const facts = await describeAdapter(await readTinyEncoder(), parseRunConfig(demo));
  expect(facts.trainedRanges).toEqual([{ start: 0, end: 4354 }]);
});
