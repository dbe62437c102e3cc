import type { Activation } from '@chorale/compute';
import { readClassNames } from './config/classNames.ts';
import type { ConfigFields } from './config/configFields.ts';
import { configFields } from './config/configFields.ts';
import type { EncoderConfig } from './config/encoderConfig.ts';
import { parseEncoderConfig } from './config/encoderConfig.ts';
import type { LayerModule } from './encoder/modules.ts';
import { LAYER_MODULES, moduleName, moduleShape } from './encoder/modules.ts';
import type { ModelFiles } from './files/modelFiles.ts';
import { jsonOf } from './files/modelFiles.ts';
import { openTokenizer } from './tokenizer/openTokenizer.ts';
import type { TextTokenizer } from './tokenizer/textTokenizer.ts';
import type { Weights } from './weights/weights.ts';
import { readWeights } from './weights/weights.ts';

/** A dense module over the first token's vector, which models made for classification have; d = hidden size. */
export type PoolerWeights = {
  /** [d, d] as [inDim, outDim] */
  weight: Float32Array;
  /** [d] */
  bias: Float32Array;
  activation: Extract<Activation, 'tanh' | 'relu'>;
};

/** The classifier a checkpoint came with. */
export type ClassifierWeights = {
  /** [d, classCount] */
  weight: Float32Array;
  /** [classCount] */
  bias: Float32Array;
  classCount: number;
  /** Its classes' names in their order; null where config.json has none but generic ones (`LABEL_0`, …). */
  labels: string[] | null;
};

/** A model on the CPU, not yet on any device. */
export type Checkpoint = {
  config: EncoderConfig;
  weights: Weights;
  pooler: PoolerWeights | null;
  classifier: ClassifierWeights | null;
  tokenizer: TextTokenizer;
};

/**
 * Reads a model directory, as it came from the ecosystem or packed. Every weight that will be used is checked; they are
 * widened to float32 only when they are uploaded.
 * @throws {ModelError} a file is missing or cannot be used, or the model is of a kind not computed here; the message
 *   names it
 */
export function readCheckpoint(files: ModelFiles): Checkpoint {
  const json = jsonOf(files, 'config.json');
  const config = parseEncoderConfig(json);
  const weights = readWeights(files, config);
  return {
    config,
    weights,
    pooler: poolerOf(config, weights),
    classifier: classifierOf(config, weights, configFields(json)),
    tokenizer: openTokenizer(files, config),
  };
}

/**
 * The frozen weight of a linear module in our orientation.
 * @param name canonical, `encoder.layer.0.attention.self.query`
 * @returns [inDim, outDim], row-major
 * @throws {RangeError} the encoder has no such module
 */
export function frozenWeight(
  { config, weights }: Pick<Checkpoint, 'config' | 'weights'>,
  name: string,
): Float32Array {
  const module = LAYER_MODULES.find((end) => name.endsWith(`.${end}`) && isModuleOf(config, name, end));
  if (!module) {
    throw new RangeError(
      `the encoder has no module ${name}; its layers are ${moduleName(0, LAYER_MODULES[0])} to ` +
        moduleName(config.layerCount - 1, 'output.dense'),
    );
  }
  const { inDim, outDim } = moduleShape(config, module);
  return transposed(weights.floats(`${name}.weight`, [outDim, inDim]), outDim, inDim);
}

function isModuleOf(config: EncoderConfig, name: string, module: LayerModule): boolean {
  return Array.from({ length: config.layerCount }, (_, layer) => moduleName(layer, module)).includes(name);
}

function poolerOf({ architecture, hiddenSize: d }: EncoderConfig, weights: Weights): PoolerWeights | null {
  if (!weights.has('pooler.weight')) return null;
  return {
    weight: transposed(weights.floats('pooler.weight', [d, d]), d, d),
    bias: weights.floats('pooler.bias', [d]),
    activation: architecture === 'distilbert' ? 'relu' : 'tanh',
  };
}

function classifierOf(
  { hiddenSize }: EncoderConfig,
  weights: Weights,
  fields: ConfigFields,
): ClassifierWeights | null {
  const spec = weights.specs.find(({ name }) => name === 'classifier.weight');
  if (!spec) return null;
  const classCount = spec.shape[0]!;
  return {
    weight: transposed(weights.floats('classifier.weight', spec.shape), classCount, hiddenSize),
    bias: weights.floats('classifier.bias', [classCount]),
    classCount,
    labels: readClassNames(fields, classCount),
  };
}

/** Rows and columns moved together: as many as stay in a processor's nearest cache. */
const BLOCK = 32;

/** A matrix [rows, columns] → [columns, rows], block by block, which is several times faster than row by row. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let top = 0; top < rows; top += BLOCK) {
    for (let left = 0; left < columns; left += BLOCK) {
      const [bottom, right] = [Math.min(top + BLOCK, rows), Math.min(left + BLOCK, columns)];
      for (let c = left; c < right; c++) {
        for (let r = top; r < bottom; r++) result[c * rows + r] = values[r * columns + c]!;
      }
    }
  }
  return result;
}
