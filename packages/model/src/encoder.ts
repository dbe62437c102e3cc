import type { FrozenMatrix, Ops, Tensor, TensorTree } from '@chorale/compute';
import type { TokenBatch } from './batch.ts';
import type { Checkpoint } from './checkpoint.ts';
import { weightOf } from './checkpoint.ts';
import type { EncoderConfig } from './encoderConfig.ts';

/** The linear modules of one layer, by the end of their Hugging Face names. */
export const LAYER_MODULES = [
  'attention.self.query',
  'attention.self.key',
  'attention.self.value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
] as const;
export type LayerModule = (typeof LAYER_MODULES)[number];

/** Full name of a module, as the checkpoint has it: `encoder.layer.0.attention.self.query`. */
export function moduleName(layer: number, module: LayerModule): string {
  return `encoder.layer.${layer}.${module}`;
}

/** Input and output size of a linear module of this encoder. */
export function moduleShape(config: EncoderConfig, module: LayerModule): { inDim: number; outDim: number } {
  const { hiddenSize, intermediateSize } = config;
  switch (module) {
    case 'intermediate.dense':
      return { inDim: hiddenSize, outDim: intermediateSize };
    case 'output.dense':
      return { inDim: intermediateSize, outDim: hiddenSize };
    case 'attention.self.query':
    case 'attention.self.key':
    case 'attention.self.value':
    case 'attention.output.dense':
      return { inDim: hiddenSize, outDim: hiddenSize };
    default:
      return module satisfies never;
  }
}

type Linear = { weight: FrozenMatrix; bias: Tensor };
type LayerNorm = { gain: Tensor; bias: Tensor };

/** The weights of one layer on the device. */
export type EncoderLayer = {
  linears: Record<LayerModule, Linear>;
  attentionNorm: LayerNorm;
  outputNorm: LayerNorm;
};

/** A frozen BERT encoder on a device; the embedding tables stay on the CPU. */
export type Encoder = {
  config: EncoderConfig;
  embeddings: { word: Float32Array; position: Float32Array; tokenType: Float32Array; norm: LayerNorm };
  layers: EncoderLayer[];
};

/**
 * Uploads a checkpoint's encoder. The checkpoint's own linear weights are [outDim, inDim] and are transposed here.
 * @throws {ModelError} a weight is missing or has another shape
 */
export function uploadEncoder(ops: Ops, checkpoint: Checkpoint): Encoder {
  const { config } = checkpoint;
  const { hiddenSize, vocabSize, maxPositions, tokenTypes } = config;
  const vector = (name: string, size: number) => ops.tensor(weightOf(checkpoint, name, [size]), [size]);
  const norm = (name: string): LayerNorm => ({
    gain: vector(`${name}.weight`, hiddenSize),
    bias: vector(`${name}.bias`, hiddenSize),
  });
  const linear = (layer: number, module: LayerModule): Linear => {
    const { inDim, outDim } = moduleShape(config, module);
    const name = moduleName(layer, module);
    const weight = transpose(weightOf(checkpoint, `${name}.weight`, [outDim, inDim]), outDim, inDim);
    return { weight: ops.frozenMatrix(weight, inDim, outDim), bias: vector(`${name}.bias`, outDim) };
  };
  return {
    config,
    embeddings: {
      word: weightOf(checkpoint, 'embeddings.word_embeddings.weight', [vocabSize, hiddenSize]),
      position: weightOf(checkpoint, 'embeddings.position_embeddings.weight', [maxPositions, hiddenSize]),
      tokenType: weightOf(checkpoint, 'embeddings.token_type_embeddings.weight', [tokenTypes, hiddenSize]),
      norm: norm('embeddings.LayerNorm'),
    },
    layers: Array.from({ length: config.layerCount }, (_, layer) => ({
      linears: {
        'attention.self.query': linear(layer, 'attention.self.query'),
        'attention.self.key': linear(layer, 'attention.self.key'),
        'attention.self.value': linear(layer, 'attention.self.value'),
        'attention.output.dense': linear(layer, 'attention.output.dense'),
        'intermediate.dense': linear(layer, 'intermediate.dense'),
        'output.dense': linear(layer, 'output.dense'),
      },
      attentionNorm: norm(`encoder.layer.${layer}.attention.output.LayerNorm`),
      outputNorm: norm(`encoder.layer.${layer}.output.LayerNorm`),
    })),
  };
}

/** Frees the encoder's device memory. */
export function disposeEncoder(ops: Ops, encoder: Encoder): void {
  ops.dispose([encoder.embeddings.norm, encoder.layers] as TensorTree);
}

/**
 * Sum of word, position and token-type embeddings, gathered on the CPU: the tables are frozen and would not fit the
 * binding limit of some GPUs (compute.md, section 1.4).
 * @returns [N*T, hiddenSize]
 */
export function gatherEmbeddings({ config, embeddings }: Encoder, batch: TokenBatch): Float32Array {
  const { hiddenSize } = config;
  const rows = new Float32Array(batch.ids.length * hiddenSize);
  for (let row = 0; row < batch.ids.length; row++) {
    const word = batch.ids[row]! * hiddenSize;
    const position = (row % batch.tokens) * hiddenSize;
    for (let i = 0; i < hiddenSize; i++) {
      rows[row * hiddenSize + i] =
        embeddings.word[word + i]! + embeddings.position[position + i]! + embeddings.tokenType[i]!;
    }
  }
  return rows;
}

function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  }
  return result;
}
