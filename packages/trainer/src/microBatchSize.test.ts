import { adapterLayout } from '@chorale/lora';
import type { EncoderConfig } from '@chorale/model';
import { describe, expect, test } from 'vitest';
import type { StepShape } from './microBatchSize.ts';
import { bytesPerExample, microBatchSizeFor } from './microBatchSize.ts';

const BASE: EncoderConfig = {
  architecture: 'bert',
  vocabSize: 30_522,
  hiddenSize: 768,
  layerCount: 12,
  headCount: 12,
  intermediateSize: 3072,
  maxPositions: 512,
  positionOffset: 0,
  tokenTypes: 2,
  activation: 'gelu',
  layerNormEpsilon: 1e-12,
  padTokenId: 0,
};

function shapeOf(strategy: 'ffa-lora' | 'lora', maxTokens: number, rank = 8): StepShape {
  const adapter = {
    strategy,
    rank,
    alpha: 8,
    targetModules: ['query', 'value'] as const,
    basis: 'kaiming' as const,
    head: 'trained' as const,
    seed: 1,
  };
  return { encoder: BASE, layout: adapterLayout(BASE, adapter, 2), maxTokens };
}

const MiB = 2 ** 20;

describe('as many as fit, a power of two from 1 to 16', () => {
  test.each([
    [64 * 1024, 16],
    [1046, 16],
    [1045, 8],
    [522, 4],
    [131, 2],
    [130, 1],
    [1, 1],
  ])('base-sized, 128 tokens, %s MiB: %s', (mebibytes, expected) => {
    const memory = { memoryBytes: mebibytes * MiB, maxTensorBytes: null };
    expect(microBatchSizeFor(shapeOf('ffa-lora', 128), memory)).toBe(expected);
  });

  test('by hand: 12 layers keep q, k, v and two normalized inputs of 128 times 768 numbers, and so on', () => {
    const [hidden, inner, scores, gradient] = [
      128 * 768,
      128 * 3072,
      12 * 128 * 128,
      24 * 8 * 768 + 2 * 768 + 2,
    ];
    const kept = 12 * (5 * hidden + inner + scores) + 24 * 128 * 8;
    const working = 12 * hidden + 4 * inner + 4 * scores + 4 * gradient;
    expect(bytesPerExample(shapeOf('ffa-lora', 128)).inAll).toBe(4 * (kept + working));
    const { inAll, largest } = bytesPerExample(shapeOf('lora', 128));
    // Four copies of A's gradients, and of each layer the one input that query and value share
    expect(inAll).toBe(4 * (kept + working + 12 * hidden + 4 * (24 * 8 * 768)));
    expect(largest).toBe(4 * inner);
  });

  test('a bound on one tensor counts too', () => {
    const shape = shapeOf('ffa-lora', 512);
    // Attention scores: 12 heads of 512 by 512 floats, 12 MiB an example
    expect(bytesPerExample(shape).largest).toBe(12 * MiB);
    const choose = (mebibytes: number) =>
      microBatchSizeFor(shape, { memoryBytes: 2 ** 50, maxTensorBytes: mebibytes * MiB });
    expect([192, 191, 128, 24, 12, 3].map(choose)).toEqual([16, 8, 8, 2, 1, 1]);
  });

  test('more tokens, more rank and the gradients of A take more', () => {
    const { inAll } = bytesPerExample(shapeOf('ffa-lora', 128));
    expect(bytesPerExample(shapeOf('ffa-lora', 256)).inAll).toBeGreaterThan(2 * inAll);
    expect(bytesPerExample(shapeOf('ffa-lora', 128, 64)).inAll).toBeGreaterThan(inAll);
    expect(bytesPerExample(shapeOf('lora', 128)).inAll).toBeGreaterThan(1.03 * inAll);
    // A sequence is padded to its bucket
    expect(bytesPerExample(shapeOf('ffa-lora', 100)).inAll).toBeLessThan(inAll);
  });

  test.each([0, -1, Number.NaN])('%s bytes are refused', (memoryBytes) => {
    expect(() => microBatchSizeFor(shapeOf('ffa-lora', 128), { memoryBytes, maxTensorBytes: null })).toThrow(
      RangeError,
    );
  });
});
