import type { Ops, Tensor } from '@chorale/compute';
import type { TokenBatch } from '../batch.ts';
import type { EncoderConfig } from '../config/encoderConfig.ts';
import type { LinearAdapter } from '../encoder/adapters.ts';
import type { Encoder } from '../encoder/encoder.ts';
import { uploadEncoder } from '../encoder/encoder.ts';
import { LAYER_MODULES, moduleName, moduleShape } from '../encoder/modules.ts';
import type { Head } from '../head/classifier.ts';
import type { Pooler } from '../head/pooler.ts';
import type { NamedTensor } from '../weights/safetensors.ts';
import { writeSafetensors } from '../weights/safetensors.ts';
import { encoderSpecs } from '../weights/tensorSpecs.ts';
import { readWeights } from '../weights/weights.ts';

/** One layer, of sizes that use the vectorised kernels of the backends. */
const CONFIG: EncoderConfig = {
  architecture: 'bert',
  vocabSize: 16,
  hiddenSize: 32,
  layerCount: 1,
  headCount: 2,
  intermediateSize: 64,
  maxPositions: 16,
  positionOffset: 0,
  tokenTypes: 2,
  activation: 'gelu',
  layerNormEpsilon: 1e-12,
  padTokenId: 0,
};
const RANK = 4;
export const CLASS_COUNT = 3;
export const LABELS = [2, 0];

/** Numbers of the tensors that are no weights of the encoder, which have theirs from 0 on. */
const STREAMS = { ids: 100, adapters: 200, pooler: 300, head: 400 } as const;

/** The self-test's model on the device; the caller disposes it. */
export type FixedModel = {
  encoder: Encoder;
  adapters: ReadonlyMap<string, LinearAdapter>;
  pooler: Pooler;
  head: Head;
};

/** A model whose every number follows from `fixedValues`, so that nothing but the answers need be stored. */
export function uploadFixedModel(ops: Ops): FixedModel {
  const stored = new Map<string, NamedTensor>();
  encoderSpecs(CONFIG).forEach(({ name, fullName, shape }, stream) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = name.endsWith('LayerNorm.weight')
      ? fixedValues(count, stream, 0.5, 1)
      : fixedValues(count, stream, name.startsWith('embeddings') ? 1 : 0.25);
    stored.set(fullName, { shape, values });
  });
  const weights = readWeights(new Map([['model.safetensors', writeSafetensors(stored, {})]]), CONFIG);
  const { hiddenSize } = CONFIG;
  const fixed = (shape: number[], stream: number, scale: number): Tensor =>
    ops.tensor(
      fixedValues(
        shape.reduce((product, size) => product * size, 1),
        stream,
        scale,
      ),
      shape,
    );
  const adapters = LAYER_MODULES.map((module, i): [string, LinearAdapter] => {
    const { inDim, outDim } = moduleShape(CONFIG, module);
    const a = fixed([inDim, RANK], STREAMS.adapters + 2 * i, 0.5);
    const b = fixed([RANK, outDim], STREAMS.adapters + 2 * i + 1, 0.5);
    return [moduleName(0, module), { a, b, scaling: 1.5 }];
  });
  return {
    encoder: uploadEncoder(ops, { config: CONFIG, weights }),
    adapters: new Map(adapters),
    pooler: {
      weight: ops.frozenMatrix(fixedValues(hiddenSize ** 2, STREAMS.pooler, 0.25), hiddenSize, hiddenSize),
      bias: fixed([hiddenSize], STREAMS.pooler + 1, 0.25),
      activation: 'tanh',
    },
    head: {
      weight: fixed([hiddenSize, CLASS_COUNT], STREAMS.head, 0.5),
      bias: fixed([CLASS_COUNT], STREAMS.head + 1, 0.5),
    },
  };
}

/** Two pairs of texts: one of all 16 tokens, one of 9 and 7 of padding. */
export function fixedBatch(): TokenBatch {
  const tokens = CONFIG.maxPositions;
  const rows = Array.from({ length: LABELS.length * tokens }, (_, row) => row);
  return {
    exampleCount: LABELS.length,
    tokens,
    ids: Uint32Array.from(rows, (row) => fixedWord(STREAMS.ids, row) % CONFIG.vocabSize),
    typeIds: Uint8Array.from(rows, (row) => (row % tokens < 8 ? 0 : 1)),
    mask: Uint8Array.from(rows, (row) => (row < tokens + 9 ? 1 : 0)),
  };
}

/**
 * The numbers of one tensor: offset ± scale in steps of scale / 2^15, exact in float32 for scales that are powers of two.
 * @param stream another tensor for another number
 */
export function fixedValues(count: number, stream: number, scale: number, offset = 0): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((fixedWord(stream, i) >>> 16) - 32_768) / 32_768) * scale + offset,
  );
}

/** 32 well-mixed bits of two numbers: the finalizer "lowbias32" (Wellons, hash-prospector) over their weighted sum. */
export function fixedWord(stream: number, index: number): number {
  let word = (Math.imul(stream, 0x9e3779b1) + Math.imul(index, 0x85ebca77)) >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x7feb352d);
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
  return (word ^ (word >>> 16)) >>> 0;
}
