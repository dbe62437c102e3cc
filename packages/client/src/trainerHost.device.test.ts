import { expect, test } from 'vitest';
import type { RunConfigInput } from '@chorale/protocol';
import { bindingOf, decodeUpdate, encodeAdapter } from '@chorale/protocol';
import type { Compute } from '@chorale/trainer';
import { DeviceError } from '@chorale/trainer';
import type { DeviceReport } from './state.ts';
import { openHost } from './testing/openHost.ts';

/** Every row in every step and no noise: a round whose result is known from another device. */
const PLAIN_RUN: Partial<RunConfigInput> = {
  task: { type: 'sequence-classification', labels: ['no', 'yes'], maxTokens: 16 },
  training: { localSteps: 2, learningRate: 0.5, samplingRate: 1, expectedBatchSize: 20, clippingNorm: 1 },
  privacy: { unit: 'none' },
};
const ROWS = ['text,label', ...Array.from({ length: 20 }, (_, i) => `a story ${i},${i % 2 ? 'yes' : 'no'}`)];

/** With its rows chosen, on devices of which a test may limit some. */
async function openTrainer(onOpen: (compute: Compute) => void = () => undefined) {
  const { host, run, initialParameters } = await openHost({ config: PLAIN_RUN, onOpen });
  const reports: DeviceReport[] = [];
  await host.checkDevice(null, (report) => reports.push(report));
  await host.openTable(new Blob([ROWS.join('\n')]), 'mine.csv');
  await host.chooseColumns({ text: 'text', textPair: null, label: 'label' }, () => undefined);
  const binding = bindingOf(run);
  const task = { adapter: encodeAdapter(initialParameters, 0, binding), round: 1, planHash: run.planHash };
  return {
    host,
    reports,
    train: async () => decodeUpdate((await host.trainRound(task, () => undefined)).payload, binding).values,
  };
}

const full = () => new DeviceError('DEVICE_ERROR', 'The memory is full.', { failure: 'memory' });

test('a device with little memory computes fewer rows at a time, and comes to the same result', async () => {
  const wide = await openTrainer();
  const expected = await wide.train();
  expect(Math.hypot(...expected)).toBeGreaterThan(0.01);

  const sizes: number[] = [];
  const narrow = await openTrainer(({ ops }) => {
    const { squaredNorms } = ops;
    ops.squaredNorms = (gradients) => {
      const rows = gradients.shape[0];
      sizes.push(rows);
      if (rows > 4) throw full();
      return squaredNorms(gradients);
    };
  });
  for (const halvings of [1, 2]) {
    await expect(narrow.train()).rejects.toMatchObject({ code: 'DEVICE_ERROR', failure: 'memory' });
    await narrow.host.recoverDevice();
    expect(narrow.reports).toHaveLength(halvings);
  }
  const values = await narrow.train();
  expect(new Set(sizes)).toEqual(new Set([2, 16, 8, 4])); // 2 by the self-test
  expect(narrow.reports.at(-1)).toMatchObject({
    backend: 'wasm',
    troubles: [{ then: 'smaller-steps' }, { then: 'smaller-steps' }],
  });
  const difference = values.map((value, i) => value - expected[i]!);
  expect(Math.hypot(...difference) / Math.hypot(...expected)).toBeLessThan(1e-6);
});

test('a device that cannot hold the model is given up for the next one before any round, and the page hears of it', async () => {
  const { reports, train } = await openTrainer(({ backend, ops }) => {
    if (backend !== 'wasm') return;
    const { frozenMatrix } = ops;
    // The self-test's are smaller
    ops.frozenMatrix = (values, ...shape) => {
      if (values.length > 4_000) throw full();
      return frozenMatrix(values, ...shape);
    };
  });
  expect(reports).toHaveLength(1);
  expect(reports[0]).toMatchObject({
    backend: 'cpu',
    troubles: [{ backend: 'wasm', what: 'cannot hold the model: The memory is full.', then: 'next-backend' }],
  });
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0.01);
});
