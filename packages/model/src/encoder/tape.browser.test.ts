import type { Ops } from '@chorale/compute';
import { BACKEND_ORDER, openCompute } from '@chorale/compute';
import type { TapeModel } from '@chorale/compute/testing/tapeEncoder';
import { tapeEncoder } from '@chorale/compute/testing/tapeEncoder';
// After the backends' own modules: it needs the flags they register
import '@chorale/compute/testing/tapeGradients';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { expect, test } from 'vitest';
import type { TokenBatch } from '../batch.ts';
import { padBatch } from '../batch.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { frozenWeight, readCheckpoint } from '../checkpoint.ts';
import { classify, classifyBackward, oneHotLabels } from '../head/classifier.ts';
import { pool, poolBackward } from '../head/pooler.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import type { LinearAdapter } from './adapters.ts';
import { gatherEmbeddings } from './embeddings.ts';
import type { Encoder } from './encoder.ts';
import { disposeEncoder, uploadEncoder } from './encoder.ts';
import { encoderBackward } from './encoderBackward.ts';
import { encoderForward } from './encoderForward.ts';
import type { LayerModule } from './modules.ts';
import { LAYER_MODULES, moduleName } from './modules.ts';

const RANK = 2;
const SCALING = 1.5;
const LABELS = [2, 0, 1];
const ADAPTED = ['attention.self.query', 'attention.self.value'] as const;

/** Factors of the adapter on one module. */
const factorsOf = (layer: number, module: LayerModule, size: number) => {
  const seed = 10 * layer + LAYER_MODULES.indexOf(module);
  return { a: randomValues(size * RANK, seed, 0.5), b: randomValues(size * RANK, seed + 100, 0.5) };
};

/** The checkpoint as the tape's reference takes it: arrays of our orientation. */
function tapeModel(checkpoint: Checkpoint): TapeModel {
  const { config, weights, classifier } = checkpoint;
  const d = config.hiddenSize;
  const norm = (name: string) => ({
    gain: weights.floats(`${name}.weight`, [d]),
    bias: weights.floats(`${name}.bias`, [d]),
  });
  const layer = (index: number): TapeModel['layers'][number] => {
    const linear = (module: LayerModule) => {
      const name = moduleName(index, module);
      const outDim = module === 'intermediate.dense' ? config.intermediateSize : d;
      return { weight: frozenWeight(checkpoint, name), bias: weights.floats(`${name}.bias`, [outDim]) };
    };
    return {
      query: linear('attention.self.query'),
      key: linear('attention.self.key'),
      value: linear('attention.self.value'),
      attended: linear('attention.output.dense'),
      attentionNorm: norm(`encoder.layer.${index}.attention.output.LayerNorm`),
      inner: linear('intermediate.dense'),
      outer: linear('output.dense'),
      outputNorm: norm(`encoder.layer.${index}.output.LayerNorm`),
      queryA: factorsOf(index, ADAPTED[0], d).a,
      valueA: factorsOf(index, ADAPTED[1], d).a,
    };
  };
  return {
    sizes: {
      hiddenSize: d,
      headCount: config.headCount,
      rank: RANK,
      classCount: classifier!.classCount,
      epsilon: config.layerNormEpsilon,
    },
    scaling: SCALING,
    embeddingNorm: norm('embeddings.LayerNorm'),
    layers: Array.from({ length: config.layerCount }, (_, index) => layer(index)),
    head: { weight: classifier!.weight, bias: classifier!.bias },
  };
}

/** Per-example gradients of B by module, and all of them packed, as the tape's reference packs them. */
function ourGradients(ops: Ops, checkpoint: Checkpoint, encoder: Encoder, batch: TokenBatch) {
  const { config, classifier } = checkpoint;
  const d = config.hiddenSize;
  return ops.scope(() => {
    const adapters = new Map<string, LinearAdapter>();
    for (const layer of encoder.layers.keys()) {
      for (const module of ADAPTED) {
        const { a, b } = factorsOf(layer, module, d);
        const adapter = { a: ops.tensor(a, [d, RANK]), b: ops.tensor(b, [RANK, d]), scaling: SCALING };
        adapters.set(moduleName(layer, module), adapter);
      }
    }
    const head = {
      weight: ops.tensor(classifier!.weight, [d, classifier!.classCount]),
      bias: ops.tensor(classifier!.bias, [classifier!.classCount]),
    };
    const factors = { a: false, b: true };
    const { hidden, saved } = encoderForward(ops, encoder, adapters, batch, { save: true, factors });
    const pooling = pool(ops, { hidden, batch, pooling: 'mean', pooler: null });
    const oneHot = oneHotLabels(ops, LABELS, classifier!.classCount);
    const { dLogits } = ops.softmaxCrossEntropy(classify(ops, pooling.pooled, head), oneHot);
    const { dPooled } = classifyBackward(ops, dLogits, pooling.pooled, head);
    const gradients = new Map<string, Parameters<Ops['packExamples']>[0][number]>();
    encoderBackward(ops, encoder, adapters, saved!, poolBackward(ops, dPooled, pooling.saved), {
      factors,
      onGradient: (module, _, gradient) => gradients.set(module, gradient),
    });
    return ops.packExamples([...adapters.keys()].map((name) => gradients.get(name)!));
  });
}

// All on one page: tfjs has one backend at a time, so the order of tests is the order of backends.
test.each(BACKEND_ORDER)(
  'the whole model on %s: the same gradients as by the tape of tfjs',
  async (backend) => {
    const { ops, guard } = await openCompute(backend, { wasmUrls });
    const checkpoint = readCheckpoint(tinyModel(3, undefined, { classCount: 3, layerCount: 3 }));
    const encoder = uploadEncoder(ops, checkpoint);
    const sequences = [
      [2, 4, 5, 6, 7, 3],
      [2, 9, 3, 8, 8, 3],
      [2, 15, 14, 13, 12, 3],
    ].map((ids, n) => ({
      ids: Uint32Array.from(ids),
      typeIds: Uint8Array.from(ids, (_, t) => (n === 1 && t > 2 ? 1 : 0)),
    }));
    const batch = padBatch(sequences, { maxTokens: 6, padTokenId: 0 });
    const reference = tapeEncoder(tapeModel(checkpoint));
    const [found, expected] = await guard(async () => {
      const tensors = [
        ourGradients(ops, checkpoint, encoder, batch),
        reference.exampleGradients(
          {
            exampleCount: batch.exampleCount,
            tokens: batch.tokens,
            embedded: gatherEmbeddings(encoder, batch),
            labels: LABELS,
          },
          encoder.layers.flatMap((_, layer) => ADAPTED.map((module) => factorsOf(layer, module, 8).b)),
        ),
      ] as const;
      const values = [await ops.read(tensors[0]), await ops.read(tensors[1])] as const;
      ops.dispose([...tensors]);
      return values;
    });
    const worst = expectClose(found, expected, 1e-5, `gradients on ${backend}`);
    console.info(`${backend}: largest difference from the tape ${worst.toExponential(2)}`);
    expect(found.length).toBe(3 * 3 * 2 * RANK * 8);
    reference.dispose();
    disposeEncoder(ops, encoder);
  },
);
