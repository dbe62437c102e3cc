import type { Architecture, EncoderConfig } from '../config/encoderConfig.ts';

/** The linear modules of one layer, by the end of their names in BERT; our names for every architecture. */
export const LAYER_MODULES = [
  'attention.self.query',
  'attention.self.key',
  'attention.self.value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
] as const;
export type LayerModule = (typeof LAYER_MODULES)[number];

/** The two layer norms of one layer, by the end of their names in BERT. */
export const LAYER_NORMS = ['attention.output.LayerNorm', 'output.LayerNorm'] as const;
export type LayerNormName = (typeof LAYER_NORMS)[number];

/** Full name of a module: `encoder.layer.0.attention.self.query`, whatever the architecture. */
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

const DISTILBERT_NAMES: Readonly<Record<LayerModule | LayerNormName, string>> = {
  'attention.self.query': 'attention.q_lin',
  'attention.self.key': 'attention.k_lin',
  'attention.self.value': 'attention.v_lin',
  'attention.output.dense': 'attention.out_lin',
  'attention.output.LayerNorm': 'sa_layer_norm',
  'intermediate.dense': 'ffn.lin1',
  'output.dense': 'ffn.lin2',
  'output.LayerNorm': 'output_layer_norm',
};

/** Name of a part of a layer in the checkpoint, without the base prefix. */
export function layerPartName(
  architecture: Architecture,
  layer: number,
  part: LayerModule | LayerNormName,
): string {
  if (architecture === 'distilbert') return `transformer.layer.${layer}.${DISTILBERT_NAMES[part]}`;
  return `encoder.layer.${layer}.${part}`;
}

/**
 * Name of a module in the ecosystem's classification model, base prefix included (`bert.encoder.layer.0.…`,
 * `distilbert.transformer.layer.0.attention.q_lin`): what PEFT's tensor names carry after `base_model.model.`.
 */
export function checkpointModuleName(config: EncoderConfig, layer: number, module: LayerModule): string {
  return `${config.architecture}.${layerPartName(config.architecture, layer, module)}`;
}

/** Names of the head's linear modules in the ecosystem's classification models. */
export type ClassifierNames = {
  /** The last linear module, hidden size → classes. */
  classifier: string;
  /** The dense module before it: our pooler. */
  pooler: string;
};

/** Where the ecosystem's classification model keeps its head; RoBERTa's is of two modules, and the first is our pooler. */
export function classifierNames({ architecture }: Pick<EncoderConfig, 'architecture'>): ClassifierNames {
  switch (architecture) {
    case 'bert':
      return { classifier: 'classifier', pooler: 'bert.pooler.dense' };
    case 'roberta':
      return { classifier: 'classifier.out_proj', pooler: 'classifier.dense' };
    case 'distilbert':
      return { classifier: 'classifier', pooler: 'pre_classifier' };
    default:
      return architecture satisfies never;
  }
}
