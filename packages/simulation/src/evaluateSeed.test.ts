import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { evaluateSeed } from './evaluateSeed.ts';
import { runSimulation } from './runSimulation.ts';
import { readSimulationInputs } from './simulationInputs.ts';
import { smallConfig, writeSmallSimulation } from './testing/smallSimulation.ts';

let place = '';
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'chorale-evaluate-'));
});
afterEach(() => {
  rmSync(place, { recursive: true });
});

test("measures a seed's own last adapter, A and head from that seed", async () => {
  const config = { ...smallConfig(), simulation: { ...smallConfig().simulation, adapterSeed: 'simulation' } };
  const inputs = readSimulationInputs(writeSmallSimulation(place, config));
  const directory = join(place, 'out');
  const how = { inputs, directory, backend: 'cpu', workers: 1, command: '' } as const;
  const { summary } = await runSimulation({ ...how, seeds: [1, 2] });
  for (const { seed, testAccuracy, testLoss } of summary.seeds) {
    const found = await evaluateSeed(inputs, directory, seed, 'cpu', inputs.testRows!);
    expect(found).toEqual({ accuracy: testAccuracy, loss: testLoss });
  }
  expect(summary.seeds[0]!.testLoss).not.toBe(summary.seeds[1]!.testLoss);
  await expect(evaluateSeed(inputs, directory, 3, 'cpu', inputs.testRows!)).rejects.toThrow(
    /expected seed 3/,
  );
});
