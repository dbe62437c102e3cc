import { readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import type { AdapterLayout, TrainedRange } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';
import { aggregationError } from './aggregationError.ts';
import type { Basis } from './basis.ts';
import { deriveBasis } from './basis.ts';

function scalarLayout(trainedRange: TrainedRange): AdapterLayout {
  return {
    strategy: 'lora',
    rank: 1,
    scaling: 1,
    modules: [
      {
        name: 'm',
        layer: 0,
        module: 'attention.self.query',
        inDim: 1,
        outDim: 1,
        offset: 0,
        aOffset: 1,
      },
    ],
    head: { rows: 1, columns: 1, trained: false, offset: 1, biasOffset: 1 },
    parameterCount: 2,
    trainedRanges: [trainedRange],
  };
}

test('one number for each factor: by hand', () => {
  const range = { start: 0, end: 2 };
  // B, A from 1, 1 to 3, 2 and to 1, 4: products 6 and 4, mean 5; mean B 2 times mean A 3 is 6; the change is 5 − 1
  const updates = [Float32Array.of(2, 1), Float32Array.of(0, 3)];
  expect(aggregationError(scalarLayout(range), Float32Array.of(1, 1), updates, range, [])).toBeCloseTo(
    1 / 4,
    12,
  );
});

test('one factor alone has no error, nor have clients who agree, nor has a round without any change', () => {
  const half = { start: 1, end: 2 };
  const before = Float32Array.of(0.3, 0.7);
  const updates = [Float32Array.of(0.11), Float32Array.of(-5)];
  expect(aggregationError(scalarLayout(half), before, updates, half, [])).toBeLessThan(1e-6);
  const all = { start: 0, end: 2 };
  const same = [Float32Array.of(1, 2), Float32Array.of(1, 2)];
  expect(aggregationError(scalarLayout(all), before, same, all, [])).toBeLessThan(1e-6);
  const none = [new Float32Array(2), new Float32Array(2)];
  expect(aggregationError(scalarLayout(all), before, none, all, [])).toBe(0);
});

test('what it cannot compare is refused', () => {
  const range = { start: 0, end: 2 };
  const layout = scalarLayout(range);
  expect(() => aggregationError(layout, new Float32Array(2), [], range, [])).toThrow(/at least one update/);
  expect(() => aggregationError(layout, new Float32Array(2), [new Float32Array(1)], range, [])).toThrow(
    /expected an update of 2 values, got 1/,
  );
});

test.each([
  ['ffa-lora', 0, 0, 1e-6],
  ['rolora', 0, 0, 1e-6],
  ['rolora', 1, 0, 1e-6],
  ['lora', 0, 0.1, 1],
] as const)(
  'random updates of %s, turn %s: the error is over %s and under %s',
  (strategy, turn, over, under) => {
    const adapter = {
      strategy,
      rank: 3,
      alpha: 8,
      targetModules: ['query', 'output.dense'] as const,
      basis: 'kaiming' as const,
      head: 'trained' as const,
      seed: 1,
    };
    const layout = adapterLayout(readCheckpoint(tinyModel()).config, adapter, 2);
    const basis = deriveBasis(layout, adapter, () => expect.fail('no weight is needed'));
    const range = layout.trainedRanges[turn]!;
    const before = randomValues(layout.parameterCount, 1);
    const updates = [2, 3, 4].map((seed) => randomValues(range.end - range.start, seed));
    const error = aggregationError(layout, before, updates, range, basis);
    console.info(`${strategy}, turn ${turn}: aggregation error ${error.toExponential(2)}`);
    expect(error).toBeGreaterThanOrEqual(over);
    expect(error).toBeLessThan(under);
    // As it is written down, from whole products
    const direct = asDefined(layout, before, updates, range, basis);
    console.info(`from whole products ${direct.toExponential(2)}`);
    expect(direct).toBeLessThan(under);
    expect(Math.abs(error - direct)).toBeLessThan(1e-14);
  },
);

test('clients who nearly agree: the error is that of their small differences, not of rounding', () => {
  const range = { start: 0, end: 2 };
  // B and A of the two clients are 1 ± e and 1 ± e: mean(AB) − mean(A) mean(B) = e²; with e = 2^-30 a difference of the
  // products themselves, in float64, would have nothing left of it
  const e = 2 ** -30;
  const updates = [Float32Array.of(e, e), Float32Array.of(-e, -e)];
  const error = aggregationError(scalarLayout(range), Float32Array.of(1, 1), updates, range, []);
  expect(error).toBe(1); // the means have not moved: the error is the whole change
});

/** ‖mean(AB) − mean(A) mean(B)‖ over ‖mean(AB) − AB before‖ with every product made. */
function asDefined(
  { rank, modules }: AdapterLayout,
  before: Float32Array,
  updates: readonly Float32Array[],
  range: TrainedRange,
  basis: Basis,
): number {
  const after = updates.map((update) => {
    const parameters = Float64Array.from(before);
    update.forEach((value, i) => (parameters[range.start + i]! += value));
    return parameters;
  });
  const meanOf = (vectors: Float64Array[]) =>
    vectors[0]!.map((_, i) => vectors.reduce((sum, vector) => sum + vector[i]!, 0) / vectors.length);
  let [error, change] = [0, 0];
  modules.forEach(({ inDim, outDim, offset, aOffset }, i) => {
    const product = (parameters: Float64Array) =>
      Float64Array.from({ length: inDim * outDim }, (_, at) => {
        const [row, column] = [Math.floor(at / outDim), at % outDim];
        let sum = 0;
        for (let r = 0; r < rank; r++) {
          const a = aOffset === null ? basis[i]! : parameters.subarray(aOffset);
          sum += a[row * rank + r]! * parameters[offset + r * outDim + column]!;
        }
        return sum;
      });
    const [mean, ofMean, old] = [
      meanOf(after.map(product)),
      product(meanOf(after)),
      product(Float64Array.from(before)),
    ];
    mean.forEach((value, at) => {
      error += (value - ofMean[at]!) ** 2;
      change += (value - old[at]!) ** 2;
    });
  });
  return Math.sqrt(error / change);
}
