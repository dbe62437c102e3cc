import type { EncoderConfig } from '../config/encoderConfig.ts';
import {
  LAYER_MODULES,
  LAYER_NORMS,
  classifierNames,
  layerPartName,
  moduleName,
  moduleShape,
} from '../encoder/modules.ts';

/** A tensor the model needs. */
export type TensorSpec = {
  /** Our name: BERT's, without base prefix, whatever the architecture. */
  name: string;
  /** Its name in the ecosystem's classification model, base prefix included. */
  fullName: string;
  shape: number[];
};

/** The encoder's tensors: embeddings, then layer by layer. */
export function encoderSpecs(config: EncoderConfig): TensorSpec[] {
  const { architecture, hiddenSize, vocabSize, maxPositions, positionOffset, tokenTypes } = config;
  const specs: TensorSpec[] = [];
  const put = (name: string, stored: string, shape: number[]) =>
    specs.push({ name, fullName: `${architecture}.${stored}`, shape });
  const putNorm = (name: string, stored: string) => {
    put(`${name}.weight`, `${stored}.weight`, [hiddenSize]);
    put(`${name}.bias`, `${stored}.bias`, [hiddenSize]);
  };
  const putTable = (name: string, rows: number) =>
    put(`embeddings.${name}.weight`, `embeddings.${name}.weight`, [rows, hiddenSize]);
  putTable('word_embeddings', vocabSize);
  putTable('position_embeddings', maxPositions + positionOffset);
  if (tokenTypes > 0) putTable('token_type_embeddings', tokenTypes);
  putNorm('embeddings.LayerNorm', 'embeddings.LayerNorm');
  for (let layer = 0; layer < config.layerCount; layer++) {
    for (const module of LAYER_MODULES) {
      const { inDim, outDim } = moduleShape(config, module);
      const stored = layerPartName(architecture, layer, module);
      put(`${moduleName(layer, module)}.weight`, `${stored}.weight`, [outDim, inDim]);
      put(`${moduleName(layer, module)}.bias`, `${stored}.bias`, [outDim]);
    }
    for (const norm of LAYER_NORMS) {
      putNorm(`encoder.layer.${layer}.${norm}`, layerPartName(architecture, layer, norm));
    }
  }
  return specs;
}

/** The dense module over the first token's vector. */
export function poolerSpecs(config: EncoderConfig): [weight: TensorSpec, bias: TensorSpec] {
  const { hiddenSize } = config;
  const { pooler } = classifierNames(config);
  return [
    { name: 'pooler.weight', fullName: `${pooler}.weight`, shape: [hiddenSize, hiddenSize] },
    { name: 'pooler.bias', fullName: `${pooler}.bias`, shape: [hiddenSize] },
  ];
}

export function classifierSpecs(
  config: EncoderConfig,
  classCount: number,
): [weight: TensorSpec, bias: TensorSpec] {
  const { classifier } = classifierNames(config);
  return [
    { name: 'classifier.weight', fullName: `${classifier}.weight`, shape: [classCount, config.hiddenSize] },
    { name: 'classifier.bias', fullName: `${classifier}.bias`, shape: [classCount] },
  ];
}

/**
 * Names under which files have the same tensor: without the base prefix when the encoder was saved alone, and a layer
 * norm's weight and bias as `gamma` and `beta` when it was converted from TensorFlow.
 */
export function namesInFiles({ fullName }: TensorSpec, { architecture }: EncoderConfig): string[] {
  const prefix = `${architecture}.`;
  const names = [fullName];
  if (fullName.startsWith(prefix)) names.push(fullName.slice(prefix.length));
  return names.flatMap((name) => {
    const old = name
      .replace(/LayerNorm\.weight$/, 'LayerNorm.gamma')
      .replace(/LayerNorm\.bias$/, 'LayerNorm.beta');
    return old === name ? [name] : [name, old];
  });
}
