import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Binding } from '@chorale/protocol';
import { describeAdapter, openAdapter, privacyPlanOf } from '@chorale/trainer';
import { expect, test } from 'vitest';
import { openDevicePool } from './devicePool.ts';
import { readSeedState, writeSeedState } from './seedState.ts';
import type { SeedState } from './seedState.ts';
import { simulateRound } from './simulateRound.ts';
import { readSimulationInputs } from './simulationInputs.ts';
import { writeSmallSimulation } from './testing/smallSimulation.ts';

test.each([Infinity, NaN])(
  'a test loss of %s is recorded as it is read again, so that a resumed simulation is the same as a fresh one',
  async (loss) => {
    const place = mkdtempSync(join(tmpdir(), 'chorale-round-'));
    const {
      run: config,
      simulation,
      files,
      trainRows,
      testRows,
    } = readSimulationInputs(writeSmallSimulation(place));
    const facts = await describeAdapter(files, config);
    const { initialParameters, ...adapter } = facts;
    const binding: Binding = { ...adapter, planHash: 'ab'.repeat(32), encoding: 'f32' };
    const common = { seed: 1, config, binding };
    const noiseMultiplier = 1;
    const clients = [0, 1, 2].map((client) => trainRows.slice(40 * client, 40 * client + 40));
    const pool = await openDevicePool(
      { ...common, backend: 'cpu', files, noiseMultiplier, clients, testRows },
      1,
    );
    try {
      // Trained by the program's own parts; only the test's answer is one that a diverged adapter gives
      const diverged = { ...pool, evaluate: () => Promise.resolve({ accuracy: 0.5, loss }) };
      const before: SeedState = {
        initial: null,
        rounds: [],
        parameters: Float64Array.from(initialParameters),
        optimizerState: null,
      };
      const after = await simulateRound(
        before,
        {
          ...common,
          simulation: { ...simulation, evaluateEvery: 1 },
          hasTest: true,
          plan: privacyPlanOf({ config, noiseMultiplier }),
          adapter: openAdapter(files, config),
          pool: diverged,
        },
        () => undefined,
      );
      expect(after.rounds[0]).toMatchObject({ testAccuracy: 0.5, testLoss: null });
      writeSeedState(place, after);
      expect(readSeedState(place)).toEqual(after);
    } finally {
      await pool.close();
      rmSync(place, { recursive: true });
    }
  },
);
