import type { EncoderConfig } from '@chorale/model';
import { expect, test } from 'vitest';
import type { AdapterConfig } from './adapterLayout.ts';
import { adapterLayout } from './adapterLayout.ts';
import { layoutTensors } from './layoutTensors.ts';

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
  strategy: 'lora',
  rank: 2,
  alpha: 8,
  targetModules: ['query', 'intermediate.dense'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 1,
};
const tensorsOf = (change: Partial<AdapterConfig>) =>
  layoutTensors(adapterLayout(encoder, { ...adapter, ...change }, 3));

test('B of every module, the head, A of every module: B is rank × output size, A rank × input size', () => {
  expect(tensorsOf({})).toEqual([
    { name: 'encoder.layer.0.attention.self.query.lora_B', count: 8 },
    { name: 'encoder.layer.0.intermediate.dense.lora_B', count: 12 },
    { name: 'encoder.layer.1.attention.self.query.lora_B', count: 8 },
    { name: 'encoder.layer.1.intermediate.dense.lora_B', count: 12 },
    { name: 'classifier.weight', count: 12 },
    { name: 'classifier.bias', count: 3 },
    { name: 'encoder.layer.0.attention.self.query.lora_A', count: 8 },
    { name: 'encoder.layer.0.intermediate.dense.lora_A', count: 8 },
    { name: 'encoder.layer.1.attention.self.query.lora_A', count: 8 },
    { name: 'encoder.layer.1.intermediate.dense.lora_A', count: 8 },
  ]);
});

test('neither a head that stays frozen nor A where it does', () => {
  expect(tensorsOf({ strategy: 'ffa-lora', head: 'frozen' }).map(({ count }) => count)).toEqual([
    8, 12, 8, 12,
  ]);
});

test.each(['ffa-lora', 'lora', 'rolora'] as const)(
  '%s: they stand where the layout says, and every range is made of whole ones',
  (strategy) => {
    for (const head of ['trained', 'frozen'] as const) {
      const layout = adapterLayout(encoder, { ...adapter, strategy, head }, 3);
      const startOf = new Map<string, number>();
      let end = 0;
      for (const { name, count } of layoutTensors(layout)) {
        startOf.set(name, end);
        end += count;
      }
      expect(end).toBe(layout.parameterCount);
      for (const { name, offset, aOffset } of layout.modules) {
        expect(startOf.get(`${name}.lora_B`)).toBe(offset);
        expect(startOf.get(`${name}.lora_A`) ?? null).toBe(aOffset);
      }
      const bounds = [...startOf.values(), end];
      for (const range of layout.trainedRanges) {
        expect(bounds).toContain(range.start);
        expect(bounds).toContain(range.end);
      }
      const ofHead = [startOf.get('classifier.weight'), startOf.get('classifier.bias')];
      const { offset, biasOffset } = layout.head;
      expect(ofHead).toEqual(head === 'trained' ? [offset, biasOffset] : [undefined, undefined]);
    }
  },
);
