import type { FrozenMatrix, Ops, Tensor, TensorTree } from '@chorale/compute';
import type { Checkpoint } from '../checkpoint.ts';
import { frozenWeight } from '../checkpoint.ts';
import type { EncoderConfig } from '../config/encoderConfig.ts';
import type { RowTable } from '../weights/rowTable.ts';
import type { LayerModule } from './modules.ts';
import { moduleName, moduleShape } from './modules.ts';

type Linear = { weight: FrozenMatrix; bias: Tensor };
type LayerNorm = { gain: Tensor; bias: Tensor };

/** The weights of one layer on the device. */
export type EncoderLayer = {
  linears: Record<LayerModule, Linear>;
  attentionNorm: LayerNorm;
  outputNorm: LayerNorm;
};

/** The embedding tables, on the CPU, and the norm that follows them, on the device. */
export type Embeddings = {
  word: RowTable;
  position: RowTable;
  /** null: the model has no token types. */
  tokenType: RowTable | null;
  norm: LayerNorm;
};

/** A frozen encoder on a device; its embedding tables stay on the CPU. */
export type Encoder = { config: EncoderConfig; embeddings: Embeddings; layers: EncoderLayer[] };

/** Uploads a checkpoint's encoder. The checkpoint's own linear weights are [outDim, inDim] and are transposed. */
export function uploadEncoder(ops: Ops, checkpoint: Pick<Checkpoint, 'config' | 'weights'>): Encoder {
  const { config, weights } = checkpoint;
  const { hiddenSize, vocabSize, maxPositions, positionOffset, tokenTypes } = config;
  const vector = (name: string, size: number) => ops.tensor(weights.floats(name, [size]), [size]);
  const norm = (name: string): LayerNorm => ({
    gain: vector(`${name}.weight`, hiddenSize),
    bias: vector(`${name}.bias`, hiddenSize),
  });
  const linear = (layer: number, module: LayerModule): Linear => {
    const { inDim, outDim } = moduleShape(config, module);
    const name = moduleName(layer, module);
    return {
      weight: ops.frozenMatrix(frozenWeight(checkpoint, name), inDim, outDim),
      bias: vector(`${name}.bias`, outDim),
    };
  };
  const table = (name: string, rows: number) =>
    weights.table(`embeddings.${name}.weight`, [rows, hiddenSize]);
  return {
    config,
    embeddings: {
      word: table('word_embeddings', vocabSize),
      position: table('position_embeddings', maxPositions + positionOffset),
      tokenType: tokenTypes > 0 ? table('token_type_embeddings', tokenTypes) : null,
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
