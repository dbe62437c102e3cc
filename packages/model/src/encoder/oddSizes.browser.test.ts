import type { Compute, Tensor } from '@chorale/compute';
import { BACKEND_ORDER, openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { expect, test } from 'vitest';
import { padBatch } from '../batch.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { classify, classifyBackward, oneHotLabels } from '../head/classifier.ts';
import { disposePooler, pool, poolBackward, uploadPooler } from '../head/pooler.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import type { LinearAdapter } from './adapters.ts';
import { disposeEncoder, uploadEncoder } from './encoder.ts';
import { encoderBackward } from './encoderBackward.ts';
import { encoderForward } from './encoderForward.ts';
import { LAYER_MODULES, moduleName, moduleShape } from './modules.ts';

/** webgl packs four numbers of two rows and columns into one; what lies beyond an odd edge must not get into a sum. */
const SIZES = [
  { exampleCount: 1, tokens: 5, rank: 3, classCount: 3 },
  { exampleCount: 3, tokens: 7, rank: 1, classCount: 2 },
];

async function stepOf({ ops }: Compute, { exampleCount, tokens, rank, classCount }: (typeof SIZES)[number]) {
  const checkpoint = readCheckpoint(tinyModel(4, undefined, { architecture: 'distilbert', classCount }));
  const encoder = uploadEncoder(ops, checkpoint);
  const pooler = uploadPooler(ops, checkpoint, 'cls');
  const sequences = Array.from({ length: exampleCount }, (_, n) => ({
    ids: Uint32Array.from({ length: tokens }, (__, t) => 2 + ((3 * n + 5 * t) % 14)),
    typeIds: new Uint8Array(tokens),
  }));
  const batch = padBatch(sequences, { maxTokens: tokens, padTokenId: 0 });
  const names: string[] = [];
  const tensors = ops.scope(() => {
    const adapters = new Map<string, LinearAdapter>();
    for (const [i, module] of [0, 1]
      .flatMap((layer) => LAYER_MODULES.map((m) => [layer, m] as const))
      .entries()) {
      const { inDim, outDim } = moduleShape(encoder.config, module[1]);
      // From one vector, as the trainer has them
      const flat = ops.tensor(randomValues(rank * (inDim + outDim), i, 0.5), [rank * (inDim + outDim)]);
      adapters.set(moduleName(...module), {
        a: ops.matrixAt(flat, 0, inDim, rank),
        b: ops.matrixAt(flat, inDim * rank, rank, outDim),
        scaling: 1.5,
      });
    }
    const head = {
      weight: ops.tensor(randomValues(8 * classCount, 50), [8, classCount]),
      bias: ops.tensor(randomValues(classCount, 51), [classCount]),
    };
    const factors = { a: true, b: true };
    const { hidden, saved } = encoderForward(ops, encoder, adapters, batch, { save: true, factors });
    const pooling = pool(ops, { hidden, batch, pooling: 'cls', pooler });
    const oneHot = oneHotLabels(
      ops,
      sequences.map((_, n) => n % classCount),
      classCount,
    );
    const { losses, dLogits } = ops.softmaxCrossEntropy(classify(ops, pooling.pooled, head), oneHot);
    const back = classifyBackward(ops, dLogits, pooling.pooled, head);
    names.push('hidden', 'losses', 'head.weight', 'head.bias');
    const results: Tensor[] = [hidden, losses, back.weightGradient, back.biasGradient];
    encoderBackward(ops, encoder, adapters, saved!, poolBackward(ops, back.dPooled, pooling.saved), {
      factors,
      onGradient(module, factor, gradient) {
        names.push(`${module}.${factor}`);
        results.push(gradient);
      },
    });
    return results;
  });
  const values = new Map<string, Float32Array>();
  for (const [i, tensor] of tensors.entries()) values.set(names[i]!, await ops.read(tensor));
  ops.dispose(tensors);
  disposePooler(ops, pooler);
  disposeEncoder(ops, encoder);
  return values;
}

for (const sizes of SIZES) {
  const { exampleCount, tokens, rank, classCount } = sizes;
  test(`${exampleCount} examples of ${tokens} tokens, rank ${rank}, ${classCount} classes: alike on all backends`, async () => {
    const expected = await stepOf(await openCompute('cpu'), sizes);
    for (const backend of BACKEND_ORDER) {
      const compute = await openCompute(backend, { wasmUrls });
      const found = await compute.guard(() => stepOf(compute, sizes));
      expect([...found.keys()]).toEqual([...expected.keys()]);
      for (const [name, values] of found) {
        // Beside a thousandth, for a gradient that nearly cancels has no size to compare with
        expectClose([...values, 1e-3], [...expected.get(name)!, 1e-3], 1e-4, `${backend}: ${name}`);
      }
    }
  });
}
