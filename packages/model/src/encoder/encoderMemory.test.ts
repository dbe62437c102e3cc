import type { Ops } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { randomValues } from '@chorale/testing/randomValues';
import { describe, expect, test } from 'vitest';
import { padBatch } from '../batch.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import type { AdapterFactors, LinearAdapter } from './adapters.ts';
import type { Encoder } from './encoder.ts';
import { disposeEncoder, uploadEncoder } from './encoder.ts';
import { encoderBackward } from './encoderBackward.ts';
import { encoderForward } from './encoderForward.ts';
import { LAYER_MODULES, moduleName, moduleShape } from './modules.ts';

const BATCH = padBatch([{ ids: Uint32Array.of(2, 4, 5, 3), typeIds: new Uint8Array(4) }], {
  maxTokens: 4,
  padTokenId: 0,
  exampleCount: 2,
});
const RANK = 2;
const B_ONLY: AdapterFactors = { a: false, b: true };

/** The operations, and the most tensors that were alive after any of them, over those at the start. */
function counting(ops: Ops): { ops: Ops; peak: () => number } {
  const before = ops.liveTensors();
  let most = before;
  const counted = Object.entries(ops).map(([name, op]) => [
    name,
    (...args: unknown[]) => {
      const result = (op as (...given: unknown[]) => unknown)(...args);
      most = Math.max(most, ops.liveTensors());
      return result;
    },
  ]);
  return { ops: Object.fromEntries(counted) as Ops, peak: () => most - before };
}

async function withEncoder<T>(
  layerCount: number,
  adapted: (layer: number) => boolean,
  body: (ops: Ops, encoder: Encoder, adapters: ReadonlyMap<string, LinearAdapter>) => T,
): Promise<T> {
  const { ops } = await openCompute('cpu');
  const liveBefore = ops.liveTensors();
  const encoder = uploadEncoder(ops, readCheckpoint(tinyModel(1, undefined, { layerCount })));
  const adapters = new Map<string, LinearAdapter>();
  for (let layer = 0; layer < layerCount; layer++) {
    for (const module of adapted(layer) ? LAYER_MODULES : []) {
      const { inDim, outDim } = moduleShape(encoder.config, module);
      adapters.set(moduleName(layer, module), {
        a: ops.tensor(randomValues(inDim * RANK, 1), [inDim, RANK]),
        b: ops.tensor(randomValues(RANK * outDim, 2), [RANK, outDim]),
        scaling: 1,
      });
    }
  }
  const result = body(ops, encoder, adapters);
  for (const { a, b } of adapters.values()) ops.dispose([a, b]);
  disposeEncoder(ops, encoder);
  expect(ops.liveTensors()).toBe(liveBefore);
  return result;
}

describe('the most tensors alive at once', () => {
  const forward = (
    layerCount: number,
    save: boolean,
    factors: AdapterFactors,
    adapted: (layer: number) => boolean = () => true,
  ) =>
    withEncoder(layerCount, adapted, (plainOps, encoder, adapters) => {
      const { ops, peak } = counting(plainOps);
      const { hidden, saved } = ops.scope(() =>
        encoderForward(ops, encoder, adapters, BATCH, { save, factors }),
      );
      const result = { peak: peak(), kept: plainOps.liveTensors() };
      ops.dispose(hidden);
      const without = plainOps.liveTensors();
      ops.dispose(saved?.layers ?? null);
      return { ...result, kept: without - plainOps.liveTensors() };
    });

  test('is the same for 2 and for 8 layers without saving', async () => {
    const two = await forward(2, false, B_ONLY);
    expect(two.kept).toBe(0);
    expect(await forward(8, false, B_ONLY)).toEqual(two);
  });

  test('grows by what a layer saves, and by nothing else', async () => {
    const [two, three, eight] = [
      await forward(2, true, B_ONLY),
      await forward(3, true, B_ONLY),
      await forward(8, true, B_ONLY),
    ];
    // q, k, v and the probabilities; two norms of two; the activation; the projections of six modules
    const saved = 4 + 4 + 1 + 6;
    expect(two.kept).toBe(2 * saved);
    expect(three.peak - two.peak).toBe(saved);
    expect(eight.peak - two.peak).toBe(6 * saved);
  });

  test('is larger with the gradients of A: by the inputs of modules, of which three share one', async () => {
    const b = await forward(3, true, B_ONLY);
    const both = await forward(3, true, { a: true, b: true });
    const a = await forward(3, true, { a: true, b: false });
    expect(both.kept - b.kept).toBe(3 * 4);
    expect(both.kept - a.kept).toBe(3 * 6);
  });

  test('layers under the lowest adapted one save nothing', async () => {
    expect(await forward(4, true, B_ONLY, (layer) => layer === 3)).toMatchObject({ kept: 15 });
    expect(await forward(4, true, B_ONLY, () => false)).toMatchObject({ kept: 0 });
  });

  test('in the backward pass does not depend on the number of layers, gradients apart', async () => {
    const backward = (layerCount: number) =>
      withEncoder(
        layerCount,
        () => true,
        (plainOps, encoder, adapters) => {
          let gradients = 0;
          const extra = plainOps.scope(() => {
            const { hidden, saved } = encoderForward(plainOps, encoder, adapters, BATCH, { save: true });
            const { ops, peak } = counting(plainOps);
            encoderBackward(ops, encoder, adapters, saved!, hidden, {
              factors: { a: true, b: true },
              onGradient(_, __, gradient) {
                gradients++;
                ops.dispose(gradient);
              },
            });
            return peak();
          });
          return { extra, gradients };
        },
      );
    const three = await backward(3);
    expect(three.gradients).toBe(3 * 6 * 2);
    expect(await backward(8)).toEqual({ extra: three.extra, gradients: 8 * 6 * 2 });
  });
});

test('the lowest adapted layer computes no gradient of its input, of which nobody has use', async () => {
  await withEncoder(
    3,
    (layer) => layer > 0,
    (plainOps, encoder, adapters) => {
      const productsWith = (some: ReadonlyMap<string, LinearAdapter>): number => {
        let products = 0;
        const linearBackward: Ops['linearBackward'] = (dy, weight) => {
          products++;
          return plainOps.linearBackward(dy, weight);
        };
        plainOps.scope(() => {
          const ops = { ...plainOps, linearBackward };
          const { hidden, saved } = encoderForward(ops, encoder, some, BATCH, { save: true });
          const factors = { a: true, b: true };
          encoderBackward(ops, encoder, some, saved!, hidden, { factors, onGradient: () => {} });
          return null;
        });
        return products;
      };
      // Six modules of the upper layer; three of the lowest, whose query, key and value are its last
      expect(productsWith(adapters)).toBe(6 + 3);
      expect(productsWith(new Map([...adapters].filter(([name]) => name.endsWith('.query'))))).toBe(6 + 3);
    },
  );
});

test('a gradient whose activations were not kept is refused by name', async () => {
  await withEncoder(
    1,
    () => true,
    (ops, encoder, adapters) => {
      for (const [kept, factor] of [
        [{ a: false, b: true }, 'a'],
        [{ a: true, b: false }, 'b'],
      ] as const) {
        const run = () =>
          ops.scope(() => {
            const { hidden, saved } = encoderForward(ops, encoder, adapters, BATCH, {
              save: true,
              factors: kept,
            });
            const factors = { a: true, b: true };
            encoderBackward(ops, encoder, adapters, saved!, hidden, { factors, onGradient: () => {} });
            return null;
          });
        expect(run).toThrow(RangeError);
        expect(run).toThrow(
          `kept nothing for the gradient of encoder.layer.0.output.dense's factor ${factor}`,
        );
      }
    },
  );
});

test('a batch of more tokens than positions, and ids without an embedding, are refused', async () => {
  await withEncoder(
    1,
    () => false,
    (ops, encoder) => {
      const forward = (ids: number[], typeIds = new Uint8Array(ids.length)) =>
        ops.scope(() => {
          const batch = padBatch([{ ids: Uint32Array.from(ids), typeIds }], { maxTokens: 64, padTokenId: 0 });
          return encoderForward(ops, encoder, new Map(), batch, { save: false }).hidden;
        });
      expect(() => forward(Array.from({ length: 33 }, () => 2))).toThrow(
        /a batch of 64 tokens, expected at most the model's 32/,
      );
      expect(() => forward([2, 16, 3])).toThrow(/row 16 of bert\.embeddings\.word_embeddings/);
      expect(() => forward([2, 3], Uint8Array.of(0, 2))).toThrow(
        /row 2 of bert\.embeddings\.token_type_embeddings/,
      );
      ops.dispose(forward([2, 3]));
    },
  );
});
