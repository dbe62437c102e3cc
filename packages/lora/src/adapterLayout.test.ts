import type { EncoderConfig } from '@chorale/model';
import { expect, test } from 'vitest';
import type { AdapterConfig } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';

const encoder: EncoderConfig = {
  vocabSize: 10,
  hiddenSize: 4,
  layerCount: 2,
  headCount: 2,
  intermediateSize: 6,
  maxPositions: 8,
  tokenTypes: 2,
  layerNormEpsilon: 1e-12,
  padTokenId: 0,
};
const adapter: AdapterConfig = {
  rank: 2,
  alpha: 8,
  targetModules: ['query', 'value'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};

test('B of every module layer by layer, then the head', () => {
  expect(adapterLayout(encoder, adapter, 3)).toEqual({
    rank: 2,
    scaling: 4,
    modules: [
      { name: 'encoder.layer.0.attention.self.query', inDim: 4, outDim: 4, offset: 0 },
      { name: 'encoder.layer.0.attention.self.value', inDim: 4, outDim: 4, offset: 8 },
      { name: 'encoder.layer.1.attention.self.query', inDim: 4, outDim: 4, offset: 16 },
      { name: 'encoder.layer.1.attention.self.value', inDim: 4, outDim: 4, offset: 24 },
    ],
    head: { rows: 4, columns: 3, trained: true, offset: 32 },
    parameterCount: 44,
  });
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
  expect(parameterCount).toBe(2 * 52 + 8);
});

test('a frozen head has no parameters', () => {
  const layout = adapterLayout(encoder, { ...adapter, head: 'frozen' }, 3);
  expect(layout.parameterCount).toBe(32);
  expect(layout.head.trained).toBe(false);
});

test('a rank over the input size is refused', () => {
  expect(() => adapterLayout(encoder, { ...adapter, rank: 5 }, 3)).toThrow(RangeError);
  expect(() => adapterLayout(encoder, { ...adapter, rank: 5 }, 3)).toThrow(
    /adapter\.rank is 5, expected at most 4/,
  );
});
