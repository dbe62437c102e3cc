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
/** The same, small enough for the backend in JavaScript. */
const SMALL_RUN: Partial<RunConfigInput> = {
  ...PLAIN_RUN,
  task: { ...PLAIN_RUN.task!, maxTokens: 8 },
  training: { ...PLAIN_RUN.training!, localSteps: 1 },
};
const ROWS = ['text,label', ...Array.from({ length: 20 }, (_, i) => `a story ${i},${i % 2 ? 'yes' : 'no'}`)];

/** With its rows chosen, on devices of which a test may limit some. */
async function openTrainer(
  onOpen: (compute: Compute) => void = () => undefined,
  config: Partial<RunConfigInput> = PLAIN_RUN,
) {
  const { host, run, initialParameters } = await openHost({ config, onOpen });
  const reports: DeviceReport[] = [];
  const shown = new Set<string>();
  await host.checkDevice(null, (report) => reports.push(report));
  await host.openTable(new Blob([ROWS.join('\n')]), 'mine.csv');
  await host.chooseColumns({ text: 'text', textPair: null, label: 'label' }, (what) => shown.add(what));
  const binding = bindingOf(run);
  const task = { adapter: encodeAdapter(initialParameters, 0, binding), round: 1, planHash: run.planHash };
  return {
    host,
    reports,
    shown: [...shown],
    train: async () => decodeUpdate((await host.trainRound(task, () => undefined)).payload, binding).values,
  };
}

const full = () => new DeviceError('DEVICE_ERROR', 'The memory is full.', { failure: 'memory' });

/** Notes how many tokens each step has, and has no room for more than so many. */
function limitTokens({ ops }: Compute, most: number, steps: number[] = []): void {
  const { attention } = ops;
  ops.attention = (q, ...others) => {
    const [tokens, width] = q.shape as [number, number];
    steps.push(tokens);
    // The self-test is narrower
    if (tokens > most && width >= 64) throw full();
    return attention(q, ...others);
  };
}

test('a device with little memory computes fewer rows at a time from the first round on, and comes to the same result', async () => {
  const wide = await openTrainer();
  const expected = await wide.train();
  expect(Math.hypot(...expected)).toBeGreaterThan(0.01);
  expect(wide.reports).toEqual([]);
  expect(wide.shown).toContain('Trying the device');

  const steps: number[] = [];
  const narrow = await openTrainer((compute) => limitTokens(compute, 4 * 16, steps));
  expect(narrow.reports.at(-1)).toMatchObject({
    backend: 'wasm',
    troubles: [{ then: 'smaller-steps' }, { then: 'smaller-steps' }],
  });
  steps.length = 0;
  const values = await narrow.train();
  expect(new Set(steps)).toEqual(new Set([4 * 16]));
  expect(narrow.reports).toHaveLength(2);
  const difference = values.map((value, i) => value - expected[i]!);
  expect(Math.hypot(...difference) / Math.hypot(...expected)).toBeLessThan(1e-6);
});

test('what follows from little memory does not depend on the rows: there are no long ones here', async () => {
  const steps: number[] = [];
  const task = { ...PLAIN_RUN.task!, maxTokens: 64 };
  const { train, reports } = await openTrainer((compute) => limitTokens(compute, 8 * 32, steps), {
    ...PLAIN_RUN,
    task,
  });
  expect(reports.at(-1)).toMatchObject({
    troubles: [{ then: 'smaller-steps' }, { then: 'smaller-steps' }],
  });
  steps.length = 0;
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0.01);
  expect(new Set(steps)).toEqual(new Set([4 * 16]));
});

test('a device without room for one row at a time is given up before any round', async () => {
  const { reports, train } = await openTrainer((compute) => {
    if (compute.backend === 'wasm') limitTokens(compute, 7);
  }, SMALL_RUN);
  expect(reports.at(-1)!.backend).toBe('cpu');
  const followed = reports.at(-1)!.troubles.map(({ then }) => then);
  expect(followed).toEqual([...Array<string>(4).fill('smaller-steps'), 'opened-again', 'next-backend']);
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0.01);
});

test('after a device was opened again it is tried out before the next round', async () => {
  const steps: number[] = [];
  let opened = 0;
  let lost = false;
  const { host, train, reports } = await openTrainer((compute) => {
    opened += 1;
    limitTokens(compute, Infinity, steps);
    const { weightedSum } = compute.ops;
    compute.ops.weightedSum = (...given) => {
      if (lost) throw new DeviceError('DEVICE_ERROR', 'The device was lost.', { failure: 'lost' });
      return weightedSum(...given);
    };
  });
  lost = true;
  await expect(train()).rejects.toMatchObject({ code: 'DEVICE_ERROR', failure: 'lost' });
  lost = false;
  steps.length = 0;
  const shown = new Set<string>();
  await host.recoverDevice((what) => shown.add(what));
  expect(opened).toBe(2);
  expect([...shown]).toContain('Trying the device');
  expect(steps).toContain(16 * 16);
  expect(reports.at(-1)).toMatchObject({ backend: 'wasm', troubles: [{ then: 'opened-again' }] });
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0.01);
});

test('one that computes wrong sums is opened again once and then replaced', async () => {
  const { privacy: _, ...rest } = SMALL_RUN;
  const { host, train, reports } = await openTrainer(({ backend, ops }) => {
    const { truncatedSum } = ops;
    if (backend === 'wasm') ops.truncatedSum = (...given) => ops.scale(truncatedSum(...given), 1.0001);
  }, rest);
  for (const then of ['opened-again', 'next-backend']) {
    await expect(train()).rejects.toMatchObject({
      name: 'DeviceError',
      code: 'DEVICE_ERROR',
      failure: 'fault',
      message: expect.stringMatching(/computed wrongly: .*whole grid units/) as string,
    });
    await host.recoverDevice();
    expect(reports.at(-1)!.troubles.at(-1)).toMatchObject({ backend: 'wasm', then });
  }
  expect(reports.at(-1)!.backend).toBe('cpu');
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0);
  await expect(host.recoverDevice()).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED' });
});

test.each([
  ['overflow', Infinity],
  ['no update may hold', 1e12],
])("without protection numbers that %s are the run's: it ends with what to change", async (_, last) => {
  let factor = 1;
  const { host, train } = await openTrainer(({ ops }) => {
    const { weightedSum } = ops;
    ops.weightedSum = (...given) => ops.scale(weightedSum(...given), factor);
  });
  factor = last;
  await expect(train()).rejects.toMatchObject({
    name: 'ChoraleError',
    code: 'DEVICE_UNSUPPORTED',
    message: expect.stringMatching(/^Training diverged: .*smaller learningRate/) as string,
  });
  await expect(host.recoverDevice()).rejects.toMatchObject({ code: 'DEVICE_UNSUPPORTED' });
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
  }, SMALL_RUN);
  expect(reports).toHaveLength(1);
  expect(reports[0]).toMatchObject({
    backend: 'cpu',
    troubles: [{ backend: 'wasm', what: 'cannot hold the model: The memory is full.', then: 'next-backend' }],
  });
  expect(Math.hypot(...(await train()))).toBeGreaterThan(0.01);
});
