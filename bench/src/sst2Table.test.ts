import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Cell, Sst2Config } from './sst2Grid.ts';
import { bestOf, cellNames } from './sst2Grid.ts';
import type { Sst2Report } from './sst2Table.ts';
import { sst2Markdown } from './sst2Table.ts';

const config = JSON.parse(
  readFileSync(new URL('../configs/sst2.json', import.meta.url), 'utf8'),
) as Sst2Config;

const cell: Cell = {
  strategy: 'lora',
  split: 'iid',
  privacy: 'epsilon 6',
  tried: [
    { learningRate: 0.03, devAccuracy: 0.55, devLoss: 0.6 },
    { learningRate: 0.1, devAccuracy: 0.6, devLoss: 0.6 },
    { learningRate: 0.3, devAccuracy: 0.7, devLoss: 0.6 },
    { learningRate: 1, devAccuracy: 0.65, devLoss: 0.6 },
    { learningRate: 3, devAccuracy: 0.5, devLoss: 4 },
  ],
  learningRate: 0.3,
  devAccuracy: { mean: 0.7, sd: 0.012 },
  testAccuracy: { mean: 0.689, sd: 0.0205 },
  perSeed: [
    { seed: 1, devAccuracy: 0.7, testAccuracy: 0.69, epsilon: 5.998 },
    { seed: 2, devAccuracy: 0.7, testAccuracy: 0.688, epsilon: 5.998 },
  ],
  meanAggregationError: { mean: 0.0123, sd: 0.001 },
  uplinkBytesPerClient: 33_880,
  noiseMultiplier: 0.6,
  seconds: 60,
};

function markdown(change: Partial<Sst2Report>): string {
  return sst2Markdown({
    bench: 'sst2',
    complete: true,
    machine: { cpu: 'some processor', cores: 2, node: 'v24', backend: 'wasm' },
    config,
    cells: [cell],
    ...change,
  });
}

/** The page's table lines, cells without padding. */
function linesOf(page: string): string[] {
  return page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.replaceAll(/ +/g, ' '));
}

test('a line of the results: the chosen learning rate, mean and sd', () => {
  expect(linesOf(markdown({}))).toContain(
    '| lora | iid | epsilon 6 (5.998 spent) | 0.3 | **68.9 ± 2.1** | 70.0 ± 1.2 | 1.2e-2 | 33880 B |',
  );
});

test('a line of what was tried: every learning rate, the best and the worst', () => {
  expect(linesOf(markdown({}))).toContain(
    '| lora | iid | epsilon 6 | 55.0 | 60.0 | **70.0** | 65.0 | 50.0 (worst) |',
  );
});

test('the lines of a table are equally long, so that its source can be read', () => {
  const lengths = markdown({ cells: [cell, { ...cell, strategy: 'a-strategy-with-a-long-name' }] })
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.length);
  expect(lengths).toHaveLength(8);
  expect(new Set(lengths.slice(0, 4)).size).toBe(1);
  expect(new Set(lengths.slice(4)).size).toBe(1);
});

test('a learning rate that diverged is named', () => {
  const tried = cell.tried.map((one) =>
    one.learningRate === 3 ? { ...one, devAccuracy: null, devLoss: null } : one,
  );
  expect(linesOf(markdown({ cells: [{ ...cell, tried }] }))).toContain(
    '| lora | iid | epsilon 6 | 55.0 | 60.0 | **70.0** | 65.0 | diverged |',
  );
});

test('a seed on which the chosen rate diverged is named, and so are all', () => {
  expect(linesOf(markdown({ cells: [{ ...cell, divergedSeeds: [3] }] }))[2]).toContain(
    '| **68.9 ± 2.1**, diverged on seed 3 |',
  );
  const none: Cell = {
    ...cell,
    perSeed: [],
    divergedSeeds: [1, 2],
    devAccuracy: null,
    testAccuracy: null,
    meanAggregationError: null,
    uplinkBytesPerClient: null,
    noiseMultiplier: null,
  };
  expect(linesOf(markdown({ cells: [none] }))[2]).toBe(
    '| lora | iid | epsilon 6 | 0.3 | diverged on seed 1, diverged on seed 2 | — | — | — |',
  );
});

test('the best learning rate: accuracy, then loss; one that diverged only where all did', () => {
  const of = (devAccuracy: number | null, devLoss: number | null) => ({ devAccuracy, devLoss });
  expect(bestOf([of(null, null), of(0.6, 0.9), of(0.6, 0.7), of(0.5, 0.1)])).toEqual(of(0.6, 0.7));
  expect(bestOf([of(null, null), of(0, null)])).toEqual(of(0, null));
  expect(bestOf([of(null, null), of(null, null)])).toEqual(of(null, null));
});

test('what is not complete says so', () => {
  expect(markdown({})).not.toContain('Not complete');
  expect(markdown({ complete: false })).toContain('**Not complete.**');
});

test('the grid holds every combination once, strategy by strategy, all with the same learning rates', () => {
  const names = cellNames(config).map(({ strategy, split, privacy }) => `${strategy} ${split} ${privacy}`);
  expect(new Set(names).size).toBe(12);
  expect(names.slice(0, 4).every((name) => name.startsWith('ffa-lora '))).toBe(true);
  // RoLoRA trains B and A in turns: as many rounds of one as of the other
  expect((config.run as unknown as { rounds: { count: number } }).rounds.count % 2).toBe(0);
});
