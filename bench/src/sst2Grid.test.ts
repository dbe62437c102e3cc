import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Sst2Config } from './sst2Grid.ts';
import { runCell } from './sst2Grid.ts';

let place = '';
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'chorale-grid-'));
});
afterEach(() => {
  rmSync(place, { recursive: true });
});

/** From 1e4 to 2e5 the training diverges on seed 1 and not on 2 and 3. */
const TOO_LARGE = 4e4;

/** A grid of one cell, whose simulations take moments: the random tiny model, two rounds without privacy. */
function writeGrid(learningRates: number[], seeds: number[]): Parameters<typeof runCell>[1] {
  const model = join(place, 'model');
  mkdirSync(model);
  for (const [name, bytes] of tinyModel()) writeFileSync(join(model, name), bytes);
  const rows = Array.from({ length: 60 }, (_, i) => (i % 2 === 0 ? 'good warm\tgood\n' : 'bad dull\tbad\n'));
  for (const name of ['train', 'dev', 'test']) {
    writeFileSync(join(place, `${name}.tsv`), `sentence\tlabel\n${rows.join('')}`);
  }
  const run = {
    name: 'grid',
    model: '../../model', // from the folder of each simulation
    task: { type: 'sequence-classification', labels: ['bad', 'good'], maxTokens: 8, pooling: 'mean' },
    adapter: { rank: 2, alpha: 4, head: 'trained' },
    training: { localSteps: 2, samplingRate: 0.25, expectedBatchSize: 5, clippingNorm: 1 },
    rounds: { count: 2, cohortSize: 2, minimumUpdates: 2 },
  };
  const config: Sst2Config = {
    data: '',
    files: { train: 'train.tsv', dev: 'dev.tsv', test: 'test.tsv' },
    run,
    simulation: { clients: 2, adapterSeed: 'simulation' },
    grid: {
      strategies: ['ffa-lora'],
      splits: { iid: { kind: 'iid' } },
      privacy: { none: { unit: 'none' } },
      learningRates,
    },
    tuningSeed: seeds[0]!,
    seeds,
  };
  return { config, data: place, work: join(place, 'work'), say: (text) => said.push(text) };
}

const said: string[] = [];
const NAME = { strategy: 'ffa-lora', split: 'iid', privacy: 'none' };

test('a learning rate that is fine on the tuning seed and diverges on another: the grid goes on and says so', async () => {
  const cell = await runCell(NAME, writeGrid([TOO_LARGE], [2, 1, 3]));
  expect(cell.divergedSeeds).toEqual([1]);
  expect(cell.perSeed.map(({ seed }) => seed)).toEqual([2, 3]);
  expect(cell.testAccuracy!.sd).not.toBeNull();
  expect(said).toContain('ffa-lora, iid, none, learning rate 40000: diverged on seed 1');
});

test('every learning rate diverges: so does the cell', async () => {
  const cell = await runCell(NAME, writeGrid([TOO_LARGE, 2 * TOO_LARGE], [1]));
  expect(cell).toMatchObject({
    learningRate: TOO_LARGE,
    testAccuracy: null,
    devAccuracy: null,
    perSeed: [],
    divergedSeeds: [1],
  });
});
