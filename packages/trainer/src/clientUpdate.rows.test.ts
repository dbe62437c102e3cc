import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { expect, test } from 'vitest';
import { TURNS, randomExamples, randomModel } from './testing/randomTraining.ts';
import { checkRowsStandAlone } from './testing/rowCases.ts';

const BACKENDS: BackendName[] = ['cpu', 'wasm'];

test.each(BACKENDS.flatMap((backend) => TURNS.map((turn) => [backend, ...turn] as const)))(
  'on %s a gradient row of %s, turn %s, does not depend on the other rows, bit by bit',
  async (backend, ...turn) => {
    const compute = await openCompute(backend);
    for (const seed of [1, 2, 3]) {
      const model = randomModel(compute, seed, turn);
      const options = { rowCounts: [2, 4, 8, 16], trials: 5 };
      expect(await checkRowsStandAlone(compute, model, randomExamples(40, seed), options)).toBe(20);
      model.classifier.dispose();
    }
  },
);
