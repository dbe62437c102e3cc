import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunConfig } from '@chorale/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PROGRAM } from './numerics.ts';
import type { SimulationOptions } from './runSimulation.ts';
import { runSimulation } from './runSimulation.ts';
import type { SimulatedRound } from './seedState.ts';
import { cohortOf } from './simulateRound.ts';
import { readSimulationInputs } from './simulationInputs.ts';
import { smallConfig, writeSmallSimulation } from './testing/smallSimulation.ts';

let place = '';
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'chorale-simulation-'));
});
afterEach(() => {
  rmSync(place, { recursive: true });
});

/** Runs the small simulation into a folder of this test's own. */
async function simulate(
  name: string,
  change: Partial<SimulationOptions> = {},
  config: object = smallConfig(),
) {
  const inputs = readSimulationInputs(writeSmallSimulation(join(place, 'inputs'), config));
  const directory = join(place, name);
  const { summary, rounds } = await runSimulation({
    inputs,
    directory,
    seeds: [1],
    backend: 'cpu',
    workers: 1,
    command: 'simulate',
    ...change,
  });
  return { summary, rounds, directory };
}

function linesOf(directory: string, seed = 1): SimulatedRound[] {
  const text = readFileSync(join(directory, `seed-${seed}`, 'rounds.jsonl'), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as SimulatedRound);
}

/** What must be the same however often it runs: all but the times, and the adapter's bytes. */
function resultOf(directory: string, seed = 1) {
  return {
    rounds: linesOf(directory, seed).map((round) => ({ ...round, seconds: 0 })),
    adapter: readFileSync(join(directory, `seed-${seed}`, 'adapter', 'adapter_model.safetensors')).toString(
      'hex',
    ),
  };
}

test('one line a round, with the fields of the issue', async () => {
  const { directory, summary } = await simulate('out');
  const lines = linesOf(directory);
  expect(lines.map(({ round }) => round)).toEqual([1, 2, 3, 4]);
  // Tested every second round
  expect(lines.map(({ testAccuracy }) => testAccuracy !== null)).toEqual([false, true, false, true]);
  for (const line of lines) {
    expect(Object.keys(line).sort()).toEqual([
      'aggregationError',
      'cohort',
      'epsilon',
      'round',
      'seconds',
      'testAccuracy',
      'testLoss',
      'uplinkBytesPerClient',
    ]);
    // Two layers, query and value, B [2, 8]; the head [8, 2] with its bias [2]: 64 + 18 floats and a header of 88 bytes
    expect(line.uplinkBytesPerClient).toBe(4 * (2 * 2 * 2 * 8 + 8 * 2 + 2) + 88);
    expect(line.aggregationError).toBeLessThan(1e-6);
    expect(line.cohort).toHaveLength(2);
  }
  expect(summary.seeds[0]!.testAccuracy).toBe(lines.at(-1)!.testAccuracy);
  expect(existsSync(join(directory, 'report.html'))).toBe(true);
  expect(JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'))).toEqual(summary);
});

test('epsilon is that of the client who took part most often, and never falls', async () => {
  const rounds = { count: 8, cohortSize: 1, minimumUpdates: 1 };
  const { directory } = await simulate('out', {}, smallConfig({ rounds }));
  const lines = linesOf(directory);
  const taken = [0, 0, 0];
  const epsilonOf = new Map<number, number>();
  let last = 0;
  for (const { cohort, epsilon } of lines) {
    for (const client of cohort) taken[client - 1]! += 1;
    const most = Math.max(...taken);
    expect(epsilon).toBeGreaterThanOrEqual(last);
    // The same number of rounds always costs the same
    expect(epsilonOf.get(most) ?? epsilon).toBe(epsilon);
    epsilonOf.set(most, epsilon!);
    last = epsilon!;
  }
  expect(epsilonOf.size).toBeGreaterThan(1);
  expect(epsilonOf.size).toBeLessThan(lines.length);
});

describe('repeated', () => {
  test('the same seed gives the same bits, another one others', async () => {
    const first = await simulate('a', { seeds: [1, 2] });
    const again = await simulate('b', { seeds: [2, 1] });
    expect(resultOf(again.directory)).toEqual(resultOf(first.directory));
    expect(resultOf(again.directory, 2)).toEqual(resultOf(first.directory, 2));
    expect(resultOf(first.directory, 2).adapter).not.toBe(resultOf(first.directory).adapter);
  });

  test('results do not depend on the number of workers', async () => {
    const alone = await simulate('alone');
    const threads = await simulate('threads', { workers: 2 });
    expect(resultOf(threads.directory)).toEqual(resultOf(alone.directory));
  });

  test('a complete simulation is not computed again', async () => {
    const { directory } = await simulate('out');
    const before = linesOf(directory);
    const { summary } = await simulate('out');
    expect(linesOf(directory)).toEqual(before); // the seconds too
    expect(summary.seeds[0]!.seconds).toBeCloseTo(
      before.reduce((sum, { seconds }) => sum + seconds, 0),
      2,
    );
  });

  test('a further seed joins those that are there', async () => {
    const { directory } = await simulate('out');
    const before = resultOf(directory);
    const { summary } = await simulate('out', { seeds: [1, 3] });
    expect(resultOf(directory)).toEqual(before);
    expect(summary.seeds.map(({ seed }) => seed)).toEqual([1, 3]);
    const [one, three] = [1, 3].map((seed) => linesOf(directory, seed).at(-1)!);
    const spread = (a: number, b: number) => ({
      mean: expect.closeTo((a + b) / 2, 12) as number,
      sd: expect.closeTo(Math.abs(a - b) / Math.SQRT2, 12) as number,
    });
    expect(summary.testAccuracy).toEqual(spread(one!.testAccuracy!, three!.testAccuracy!));
    expect(summary.testLoss).toEqual(spread(one!.testLoss!, three!.testLoss!));
  });

  test.each([{ name: 'sgd' }, { name: 'momentum' }, { name: 'adam' }])(
    'from the state of any round it goes on to the same end, the optimizer $name included',
    async (serverOptimizer) => {
      const config = { ...smallConfig(), aggregation: { serverOptimizer } };
      const { name: optimizer } = serverOptimizer;
      const whole = resultOf((await simulate(`whole-${optimizer}`, {}, config)).directory);
      for (const kept of [0, 1, 3]) {
        const name = `${optimizer}-from-${kept}`;
        await expect(simulate(name, { onProgress: stopAfter(kept) }, config)).rejects.toThrow('stopped');
        expect(existsSync(join(place, name, 'seed-1', 'adapter'))).toBe(false);
        expect(resultOf((await simulate(name, {}, config)).directory)).toEqual(whole);
      }
    },
  );
});

function stopAfter(kept: number): NonNullable<SimulationOptions['onProgress']> {
  return ({ rounds, clients }) => {
    if (rounds === kept && clients === 1) throw new Error('stopped');
  };
}

describe('another simulation into the same directory is refused', () => {
  const changes: [what: string, config: object, message: string][] = [
    [
      'config',
      smallConfig({ training: { ...smallConfig().training, learningRate: 0.25 } }),
      'learningRate is 0.25, there 0.5',
    ],
    [
      'split',
      { ...smallConfig(), simulation: { ...smallConfig().simulation, split: { kind: 'iid' } } },
      'simulation.split',
    ],
  ];
  test.each(changes)('another %s', async (_, config, message) => {
    await simulate('out');
    await expect(simulate('out', {}, config)).rejects.toThrow(message);
  });

  test('another backend, other rows', async () => {
    await simulate('out');
    await expect(simulate('out', { backend: 'wasm' })).rejects.toThrow('backend is "wasm", there "cpu"');
    const inputs = readSimulationInputs(writeSmallSimulation(join(place, 'inputs')));
    const other = { ...inputs, hashes: { ...inputs.hashes, train: 'other' } };
    await expect(simulate('out', { inputs: other })).rejects.toThrow('hashes.train is "other"');
  });

  test.each([
    [{ version: '0.1.0', numerics: 0 }, 'was begun by version 0.1.0 with numerics 0, this is version'],
    [undefined, 'was begun by a program that did not yet say which numbers it computes'],
  ])('begun by another program: %j', async (program, message) => {
    const { directory } = await simulate('out');
    const path = join(directory, 'simulation.json');
    const identity = JSON.parse(readFileSync(path, 'utf8')) as { program: object };
    expect(identity.program).toEqual(PROGRAM);
    writeFileSync(path, JSON.stringify({ ...identity, program }));
    await expect(simulate('out')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });

  test('half-written files of a kill go away, those of another simulation stay', async () => {
    const { directory } = await simulate('out');
    const left = join(directory, 'seed-1', `state.json.${process.pid}.tmp`);
    writeFileSync(left, 'half');
    await expect(simulate('out', { backend: 'wasm' })).rejects.toThrow('another simulation');
    expect(existsSync(left)).toBe(true);
    await simulate('out');
    expect(existsSync(left)).toBe(false);
  });

  test('a directory with something else in it', async () => {
    writeFileSync(join(place, 'letter.txt'), 'dear');
    await expect(simulate('.')).rejects.toThrow(/new or empty directory, .* holds inputs, letter.txt/);
  });
});

test('without privacy and without a test file: no epsilon, no accuracy, and it still trains', async () => {
  const { evaluation: _, ...config } = smallConfig({ privacy: { unit: 'none' } });
  const { directory, summary } = await simulate('out', {}, config);
  const lines = linesOf(directory);
  expect(
    lines.every(
      ({ epsilon, testAccuracy, testLoss }) => epsilon === null && testAccuracy === null && testLoss === null,
    ),
  ).toBe(true);
  expect(summary.testAccuracy).toBeNull();
  expect(summary.noiseMultiplier).toBe(0);
});

describe('aggregation error and uplink are those of the strategy', () => {
  const [b, a, head] = [2 * 2 * 2 * 8, 2 * 2 * 2 * 8, 18];
  const linesWith = async (strategy: 'lora' | 'rolora') => {
    const adapter = { ...smallConfig().adapter, strategy };
    const config = smallConfig({ adapter, privacy: { unit: 'none' } });
    return linesOf((await simulate('out', {}, config)).directory);
  };

  test('lora: averages of A and B do not fit each other, and both are sent', async () => {
    for (const { aggregationError, uplinkBytesPerClient } of await linesWith('lora')) {
      expect(aggregationError).toBeGreaterThan(1e-4);
      expect(uplinkBytesPerClient).toBe(4 * (a + b + head) + 88);
    }
  });

  test('rolora: exact, one factor at a time', async () => {
    for (const { round, aggregationError, uplinkBytesPerClient } of await linesWith('rolora')) {
      expect(aggregationError).toBeLessThan(1e-6);
      expect(uplinkBytesPerClient).toBe(4 * ((round % 2 === 1 ? b : a) + head) + 88);
    }
  });
});

test('adapterSeed simulation: A and the head start from the seed', async () => {
  const initial = async (name: string, adapterSeed: string) => {
    const config = { ...smallConfig(), simulation: { ...smallConfig().simulation, adapterSeed } };
    return (await simulate(name, { seeds: [1, 2] }, config)).summary.seeds.map(
      ({ initialLoss }) => initialLoss,
    );
  };
  const same = await initial('config', 'config');
  const own = await initial('simulation', 'simulation');
  expect(same[0]).toBe(same[1]);
  expect(own[0]).toBe(same[0]); // the config's seed is 1
  expect(own[1]).not.toBe(same[1]);
});

test.each([
  ['an adapter that does not fit', smallConfig({ adapter: { rank: 9 } }), /rank is 9/],
  [
    'an epsilon that no noise reaches',
    smallConfig({ privacy: { unit: 'example', targetEpsilon: 1e-9, targetDelta: 1e-9 } }),
    /epsilon/,
  ],
])('%s is a fault of the config', async (_, config, message) => {
  const error: unknown = await simulate('out', {}, config).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) as string });
});

test('training that diverges says so, whether it overflows or only sends absurd values', async () => {
  for (const learningRate of [1e5, 1e6]) {
    const training = { ...smallConfig().training, learningRate, localSteps: learningRate === 1e5 ? 1 : 20 };
    const config = smallConfig({ training, privacy: { unit: 'none' } });
    await expect(simulate(`rate-${learningRate}`, {}, config)).rejects.toMatchObject({
      code: 'UPDATE_NOT_FINITE',
      message: expect.stringMatching(/^client \d in round \d: .*smaller learningRate/) as string,
    });
  }
});

describe('the encoding is that of the config', () => {
  type Encoding = RunConfig['transport']['encoding'];
  const encoded = (encoding: Encoding, name: string) =>
    simulate(name, { seeds: [1] }, smallConfig({ transport: { encoding } }));
  const rowsOf = async (...start: Parameters<typeof encoded>) =>
    linesOf((await encoded(...start)).directory).map((line) => ({ ...line, seconds: 0 }));

  // Four B of 16 values, the head's weight and bias: 82 values in six tensors
  test.each([
    ['f32', 88 + 4 * 82],
    ['f16', 88 + 4 * 6 + 2 * 82],
    ['int8', 88 + 4 * 6 + 82],
  ] as const)('%s: %s bytes, and the seed decides how values are rounded', async (encoding, bytes) => {
    const rows = await rowsOf(encoding, 'a');
    expect(new Set(rows.map((row) => row.uplinkBytesPerClient))).toEqual(new Set([bytes]));
    expect(await rowsOf(encoding, 'b')).toEqual(rows);
  });

  test('they come close to each other, and are not the same', async () => {
    const losses = await Promise.all(
      (['f32', 'f16', 'int8'] as const).map(
        async (encoding) => (await rowsOf(encoding, encoding)).at(-1)!.testLoss!,
      ),
    );
    expect(new Set(losses).size).toBe(3);
    for (const loss of losses) expect(Math.abs(loss - losses[0]!)).toBeLessThan(0.05 * losses[0]!);
  });
});

test('localMetrics: the counts travel with the update', async () => {
  const counted = await simulate('out', {}, smallConfig({ localMetrics: { noiseMultiplier: 2 } }));
  expect(linesOf(counted.directory)[0]!.uplinkBytesPerClient).toBe(4 * 82 + 88 + 16);
});

test('an error of a training thread comes out with its words', async () => {
  const inputs = readSimulationInputs(writeSmallSimulation(join(place, 'inputs')));
  const files = new Map(inputs.files);
  files.delete('tokenizer.json');
  await expect(simulate('out', { workers: 2, inputs: { ...inputs, files } })).rejects.toThrow(/tokenizer/);
});

test('cohorts: as many as asked for, every client in about the same number of rounds', () => {
  const counts = [0, 0, 0, 0, 0];
  for (let round = 1; round <= 1000; round++) {
    const cohort = cohortOf(5, 2, 1, round);
    expect(new Set(cohort).size).toBe(2);
    for (const client of cohort) counts[client - 1]! += 1;
  }
  // Standard deviation of a count: sqrt(1000·0.4·0.6) = 15.5
  for (const count of counts) expect(Math.abs(count - 400)).toBeLessThan(5 * 15.5);
  expect(cohortOf(5, 2, 1, 7)).toEqual(cohortOf(5, 2, 1, 7));
});
