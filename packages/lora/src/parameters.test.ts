import { readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { describe, expect, test } from 'vitest';
import type { AdapterConfig } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';
import { deriveBasis } from './basis.ts';
import { initialHead, initialParameters } from './parameters.ts';

const adapter: AdapterConfig = {
  strategy: 'ffa-lora',
  rank: 2,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};
const checkpoint = readCheckpoint(tinyModel(1, undefined, { classCount: 3 }));
const LABELS = ['no', 'maybe', 'yes'];
/** The checkpoint's classifier with these names of its classes, for these labels of a task. */
const startFrom = (labels: string[], names: string[] | null = null) => ({
  classifier: { ...checkpoint.classifier!, labels: names },
  labels,
});
const layoutFor = (change: Partial<AdapterConfig>, classCount: number) =>
  adapterLayout(checkpoint.config, { ...adapter, ...change }, classCount);
const startOf = (change: Partial<AdapterConfig>, classCount: number) => {
  const layout = layoutFor(change, classCount);
  const basis = deriveBasis(layout, adapter, () => expect.fail('no weight is needed'));
  const head = initialHead(layout, adapter, startFrom(LABELS.slice(0, classCount)));
  return { layout, basis, parameters: initialParameters(layout, { basis, head }) };
};

test('training starts at B = 0 and, with another number of classes than the checkpoint, at the public head', () => {
  const { layout, parameters } = startOf({}, 2);
  expect(parameters.length).toBe(4 * 2 * 8 + 16 + 2);
  expect(parameters.subarray(0, 64)).toEqual(new Float32Array(64));
  const { weight, bias } = initialHead(layout, adapter, { classifier: null, labels: LABELS });
  // The stream's first values: docs/basis.md
  expect([...weight.subarray(0, 4)]).toEqual(
    [0.016111461, -0.011919656, -0.0009553039, 0.003918916].map(Math.fround),
  );
  expect(bias).toEqual(new Float32Array(2));
  expect(parameters.subarray(64, 80)).toEqual(weight);
  expect(parameters.subarray(80)).toEqual(bias);
});

test("with the checkpoint's number of classes the head is the checkpoint's", () => {
  const { layout, parameters } = startOf({}, 3);
  const { weight, bias } = checkpoint.classifier!;
  expect(weight.some((value) => value !== 0) && bias.some((value) => value !== 0)).toBe(true);
  expect(parameters.subarray(64)).toEqual(Float32Array.of(...weight, ...bias));
  expect(initialHead(layout, adapter, startFrom(LABELS))).toEqual({ weight, bias });
  const wrong = { ...checkpoint.classifier!, weight: weight.subarray(1) };
  expect(() => initialHead(layout, adapter, { classifier: wrong, labels: LABELS })).toThrow(
    /expected a classifier of 8 times 3/,
  );
});

test('a frozen head is no parameter', () => {
  expect(startOf({ head: 'frozen' }, 3).parameters).toEqual(new Float32Array(64));
});

test.each(['lora', 'rolora'] as const)('%s starts with the basis as A', (strategy) => {
  const { layout, basis, parameters } = startOf({ strategy }, 3);
  layout.modules.forEach(({ aOffset }, i) => {
    expect(parameters.subarray(aOffset!, aOffset! + 16)).toEqual(basis[i]);
  });
  expect(parameters.subarray(0, 64)).toEqual(new Float32Array(64));
  expect(parameters.length).toBe(64 + 27 + 64);
});

describe("the checkpoint's classes have names", () => {
  const { weight, bias } = checkpoint.classifier!;
  const column = (values: Float32Array, c: number) => values.filter((_, i) => i % 3 === c);

  test.each([
    ['of other case, with spaces, in another order', ['YES', ' no ', 'Maybe']],
    ['generic ones in another order', ['LABEL_2', 'LABEL_0', 'LABEL_1']],
  ])('%s: the columns follow the task', (_, labels) => {
    const names = labels[0] === 'YES' ? ['No', 'maybe', 'yes '] : null;
    const head = initialHead(layoutFor({}, 3), adapter, startFrom(labels, names));
    // The task's classes 0, 1, 2 are the checkpoint's 2, 0, 1
    [2, 0, 1].forEach((theirs, ours) => {
      expect(column(head.weight, ours)).toEqual(column(weight, theirs));
      expect(head.bias[ours]).toBe(bias[theirs]);
    });
    const frozen = layoutFor({ head: 'frozen' }, 3);
    expect(initialHead(frozen, adapter, startFrom(labels, names))).toEqual(head);
  });

  test.each([
    ['other names', ['no', 'yes', 'unclear']],
    ['a name twice', ['no', 'NO', 'yes']],
    ['fewer classes', ['no', 'maybe']],
  ])('%s: the public start for a trained head, none for a frozen one', (_, names) => {
    const start = startFrom(LABELS, names);
    if (names.length < 3) start.classifier.classCount = names.length;
    const layout = layoutFor({}, 3);
    const fresh = initialHead(layout, adapter, { classifier: null, labels: LABELS });
    expect(initialHead(layout, adapter, start)).toEqual(fresh);
    const frozen = layoutFor({ head: 'frozen' }, 3);
    expect(() => initialHead(frozen, adapter, start)).toThrow(RangeError);
    expect(() => initialHead(frozen, adapter, start)).toThrow(
      `the model's classifier knows the classes ${names.join(', ')}; expected the task's labels no, maybe, yes`,
    );
  });
});
