import type { EncoderConfig } from '@chorale/model';
import { expect, test } from 'vitest';
import type { AdapterConfig, TrainedRange } from './adapterLayout.ts';
import { adapterLayout, factorsOfRange } from './adapterLayout.ts';

const encoder: EncoderConfig = {
  architecture: 'bert',
  vocabSize: 10,
  hiddenSize: 4,
  layerCount: 2,
  headCount: 2,
  intermediateSize: 6,
  maxPositions: 8,
  positionOffset: 0,
  tokenTypes: 2,
  activation: 'gelu',
  layerNormEpsilon: 1e-12,
  padTokenId: 0,
};
const adapter: AdapterConfig = {
  strategy: 'ffa-lora',
  rank: 2,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};

const query = (layer: number) => ({
  name: `encoder.layer.${layer}.attention.self.query`,
  layer,
  module: 'attention.self.query',
  inDim: 4,
  outDim: 4,
});
const value = (layer: number) => ({
  ...query(layer),
  name: `encoder.layer.${layer}.attention.self.value`,
  module: 'attention.self.value',
});

test('B of every module layer by layer, then weight and bias of the head', () => {
  expect(adapterLayout(encoder, adapter, 3)).toEqual({
    strategy: 'ffa-lora',
    rank: 2,
    scaling: 4,
    modules: [
      { ...query(0), offset: 0, aOffset: null },
      { ...value(0), offset: 8, aOffset: null },
      { ...query(1), offset: 16, aOffset: null },
      { ...value(1), offset: 24, aOffset: null },
    ],
    head: { rows: 4, columns: 3, trained: true, offset: 32, biasOffset: 44 },
    parameterCount: 47,
    trainedRanges: [{ start: 0, end: 47 }],
  });
});

test.each([
  ['lora', [{ start: 0, end: 79 }]],
  [
    'rolora',
    [
      { start: 0, end: 47 },
      { start: 32, end: 79 },
    ],
  ],
] as const)(
  '%s keeps A of every module behind the head, and its ranges hold what a round trains',
  (strategy, ranges) => {
    const layout = adapterLayout(encoder, { ...adapter, strategy }, 3);
    expect(layout.modules.map(({ offset, aOffset }) => [offset, aOffset])).toEqual([
      [0, 47],
      [8, 55],
      [16, 63],
      [24, 71],
    ]);
    expect(layout.parameterCount).toBe(79);
    expect(layout.trainedRanges).toEqual(ranges);
  },
);

test('a range names the factors it holds; another one is refused', () => {
  const rolora = adapterLayout(encoder, { ...adapter, strategy: 'rolora' }, 3);
  const [odd, even] = rolora.trainedRanges as [TrainedRange, TrainedRange];
  expect(factorsOfRange(rolora, odd)).toEqual({ a: false, b: true });
  expect(factorsOfRange(rolora, even)).toEqual({ a: true, b: false });
  const lora = adapterLayout(encoder, { ...adapter, strategy: 'lora' }, 3);
  expect(factorsOfRange(lora, { start: 0, end: 79 })).toEqual({ a: true, b: true });
  const ffa = adapterLayout(encoder, adapter, 3);
  expect(factorsOfRange(ffa, { start: 0, end: 47 })).toEqual({ a: false, b: true });
  for (const range of [
    { start: 0, end: 46 },
    { start: 1, end: 47 },
    { start: 0, end: 79 },
  ]) {
    expect(() => factorsOfRange(ffa, range)).toThrow(/no range that ffa-lora trains; expected 0 to 47/);
  }
});

test('the order does not depend on how the config lists the modules, nor does a double entry count twice', () => {
  const shuffled: AdapterConfig = { ...adapter, targetModules: ['value', 'query', 'value'] };
  expect(adapterLayout(encoder, shuffled, 3)).toEqual(adapterLayout(encoder, adapter, 3));
});

test('every module has its own sizes', () => {
  const all: AdapterConfig = {
    ...adapter,
    targetModules: ['output.dense', 'intermediate.dense', 'attention.output.dense', 'key', 'value', 'query'],
  };
  const { modules, parameterCount } = adapterLayout(encoder, all, 2);
  expect(modules.slice(0, 6).map(({ name, inDim, outDim, offset }) => [name, inDim, outDim, offset])).toEqual(
    [
      ['encoder.layer.0.attention.self.query', 4, 4, 0],
      ['encoder.layer.0.attention.self.key', 4, 4, 8],
      ['encoder.layer.0.attention.self.value', 4, 4, 16],
      ['encoder.layer.0.attention.output.dense', 4, 4, 24],
      ['encoder.layer.0.intermediate.dense', 4, 6, 32],
      ['encoder.layer.0.output.dense', 6, 4, 44],
    ],
  );
  expect(parameterCount).toBe(2 * 52 + 8 + 2);
});

test('a frozen head has no parameters', () => {
  const layout = adapterLayout(encoder, { ...adapter, head: 'frozen' }, 3);
  expect(layout.parameterCount).toBe(32);
  expect(layout.head).toMatchObject({ trained: false, offset: 32, biasOffset: 32 });
  const rolora = adapterLayout(encoder, { ...adapter, strategy: 'rolora', head: 'frozen' }, 3);
  expect(rolora.trainedRanges).toEqual([
    { start: 0, end: 32 },
    { start: 32, end: 64 },
  ]);
});

test('a rank over the input size is refused', () => {
  expect(() => adapterLayout(encoder, { ...adapter, rank: 5 }, 3)).toThrow(RangeError);
  expect(() => adapterLayout(encoder, { ...adapter, rank: 5 }, 3)).toThrow(
    /adapter\.rank is 5, expected at most 4/,
  );
});
