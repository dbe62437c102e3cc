import type { TapeLinear, TapeNorm } from '@chorale/compute/testing/tapeEncoder';
import type { ModelFiles, NamedTensor } from '@chorale/model';
import { writeSafetensors } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import type { StepShape } from './shapes.ts';

const VOCABULARY = 200;
const WEIGHT_SCALE = 0.05;

/** A random BERT of a shape, as the files of a model directory and as arrays in our orientation [inDim, outDim]. */
export type RandomModel = {
  files: ModelFiles;
  /** Linear modules and norms by the names they have in the files. */
  linears: Map<string, TapeLinear>;
  norms: Map<string, TapeNorm>;
  /** Token ids, [N][T]. */
  ids: Uint32Array[];
  /** The sums of embeddings of those tokens, [N*T, d]. */
  embedded: Float32Array;
};

export function randomModel(shape: StepShape): RandomModel {
  const { hiddenSize: d, layerCount, headCount, intermediateSize, exampleCount, tokens } = shape;
  let seed = 1;
  const tensors = new Map<string, NamedTensor>();
  const linears = new Map<string, TapeLinear>();
  const norms = new Map<string, TapeNorm>();
  const table = (name: string, rows: number): Float32Array => {
    const values = randomValues(rows * d, seed++, 1);
    tensors.set(`bert.embeddings.${name}.weight`, { shape: [rows, d], values });
    return values;
  };
  const linear = (name: string, inDim: number, outDim: number) => {
    const values = randomValues(inDim * outDim, seed++, WEIGHT_SCALE);
    const bias = randomValues(outDim, seed++, WEIGHT_SCALE);
    const weight = values.map((_, i) => values[(i % outDim) * inDim + Math.floor(i / outDim)]!);
    linears.set(name, { weight, bias });
    tensors.set(`bert.${name}.weight`, { shape: [outDim, inDim], values });
    tensors.set(`bert.${name}.bias`, { shape: [outDim], values: bias });
  };
  const norm = (name: string) => {
    const gain = randomValues(d, seed++, 0.2).map((value) => value + 1);
    const bias = randomValues(d, seed++, 0.2);
    norms.set(name, { gain, bias });
    tensors.set(`bert.${name}.weight`, { shape: [d], values: gain });
    tensors.set(`bert.${name}.bias`, { shape: [d], values: bias });
  };

  const word = table('word_embeddings', VOCABULARY);
  const position = table('position_embeddings', tokens);
  const type = table('token_type_embeddings', 2);
  norm('embeddings.LayerNorm');
  for (let layer = 0; layer < layerCount; layer++) {
    const prefix = `encoder.layer.${layer}`;
    for (const module of ['self.query', 'self.key', 'self.value', 'output.dense']) {
      linear(`${prefix}.attention.${module}`, d, d);
    }
    norm(`${prefix}.attention.output.LayerNorm`);
    linear(`${prefix}.intermediate.dense`, d, intermediateSize);
    linear(`${prefix}.output.dense`, intermediateSize, d);
    norm(`${prefix}.output.LayerNorm`);
  }

  const ids = Array.from({ length: exampleCount }, (_, n) =>
    Uint32Array.from(randomValues(tokens, 9000 + n, 0.5), (value) => Math.floor((value + 0.5) * VOCABULARY)),
  );
  const embedded = new Float32Array(exampleCount * tokens * d);
  ids.forEach((sequence, n) =>
    sequence.forEach((id, t) => {
      for (let i = 0; i < d; i++) {
        embedded[(n * tokens + t) * d + i] = word[id * d + i]! + position[t * d + i]! + type[i]!;
      }
    }),
  );
  const config = {
    model_type: 'bert',
    hidden_act: 'gelu',
    vocab_size: VOCABULARY,
    hidden_size: d,
    num_hidden_layers: layerCount,
    num_attention_heads: headCount,
    intermediate_size: intermediateSize,
    max_position_embeddings: tokens,
    type_vocab_size: 2,
    layer_norm_eps: 1e-12,
    pad_token_id: 0,
  };
  // Its words are of no matter: the batch is made of ids
  const files: ModelFiles = new Map(tinyModel());
  files.set('config.json', new TextEncoder().encode(JSON.stringify(config)));
  files.set('model.safetensors', writeSafetensors(tensors, { format: 'pt' }));
  return { files, linears, norms, ids, embedded };
}
