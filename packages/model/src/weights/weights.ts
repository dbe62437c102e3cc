import type { EncoderConfig } from '../config/encoderConfig.ts';
import { layerPartName } from '../encoder/modules.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { jsonOf } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { shortenedName } from '../shortened.ts';
import type { RowTable } from './rowTable.ts';
import { rowTable } from './rowTable.ts';
import { checkFinite, floatsOf } from './safetensors.ts';
import type { StoredTensor } from './safetensorsHeader.ts';
import { readStoredTensors } from './shards.ts';
import type { TensorSpec } from './tensorSpecs.ts';
import { classifierSpecs, encoderSpecs, namesInFiles, poolerSpecs } from './tensorSpecs.ts';

/** A model's checked weights by our names (`TensorSpec.name`), in the bytes of their files until they are asked for. */
export type Weights = {
  /** What is there, in the order of the model. */
  specs: readonly TensorSpec[];
  has(name: string): boolean;
  /**
   * Widened to float32, a new array each time.
   * @throws {ModelError} missing, or another shape
   */
  floats(name: string, shape: number[]): Float32Array;
  /** As it is stored; errors as `floats`. */
  stored(name: string, shape: number[]): StoredTensor;
  /** A matrix that stays as it is stored; errors as `floats`. */
  table(name: string, shape: [rows: number, columns: number]): RowTable;
};

/**
 * Finds the encoder's tensors in a model directory, and the pooler and the classifier where they are. Others, such as
 * a language model's head, are not looked at.
 * A classifier of single tokens or of choices, by the config's `architectures`, is another task's and not taken.
 * @throws {ModelError} a tensor that is missing, twice there, of another shape or format, or holds a NaN or an infinity;
 *   more layers in the file than the config names
 */
export function readWeights(files: ModelFiles, config: EncoderConfig): Weights {
  const stored = readStoredTensors(files);
  const found = new Map<string, StoredTensor>();
  const specs: TensorSpec[] = [];
  const take = (wanted: TensorSpec[]): void => {
    for (const spec of wanted) {
      const tensor = find(stored, spec, config);
      if (!tensor) throw new ModelError(`the model has no tensor ${spec.fullName}`);
      checkShape(tensor, spec.shape);
      checkFinite(tensor);
      found.set(spec.name, tensor);
      specs.push(spec);
    }
  };
  refuseMoreLayers(stored, config);
  take(encoderSpecs(config));
  const pooler = poolerSpecs(config);
  if (pooler.some((spec) => find(stored, spec, config))) take(pooler);
  const classifier = isOfAnotherTask(files) ? null : find(stored, classifierSpecs(config, 1)[0], config);
  if (classifier) take(classifierSpecs(config, classifier.shape[0] ?? 0));
  const tensorOf = (name: string, shape: number[]): StoredTensor => {
    const tensor = found.get(name);
    if (!tensor) throw new ModelError(`the model has no tensor ${name}`);
    checkShape(tensor, shape);
    return tensor;
  };
  return {
    specs,
    has: (name) => found.has(name),
    floats: (name, shape) => floatsOf(tensorOf(name, shape)),
    stored: tensorOf,
    table: (name, shape) => rowTable(tensorOf(name, shape)),
  };
}

/** Such models have a classifier of the same name and shape that reads something else than one vector a text. */
function isOfAnotherTask(files: ModelFiles): boolean {
  if (!files.has('config.json')) return false; // weights alone, such as the self-test's
  const { architectures } = jsonOf(files, 'config.json') as { architectures?: unknown };
  const names = Array.isArray(architectures) ? architectures : [];
  return names.some((name) => /For(TokenClassification|MultipleChoice)$/.test(String(name)));
}

function find(
  stored: ReadonlyMap<string, StoredTensor>,
  spec: TensorSpec,
  config: EncoderConfig,
): StoredTensor | null {
  const [first, second] = namesInFiles(spec, config).flatMap((name) => stored.get(name) ?? []);
  if (first && second) {
    throw new ModelError(`${first.name} and ${second.name} are both there, and either could be meant`);
  }
  return first ?? null;
}

function checkShape({ fileName, name, shape }: StoredTensor, expected: number[]): void {
  if (shape.length === expected.length && shape.every((size, i) => size === expected[i])) return;
  throw new ModelError(
    `${fileName}: tensor ${shortenedName(name)} has shape [${shape.join(', ')}], expected [${expected.join(', ')}]`,
  );
}

/** A config with fewer layers than the file would give a model that runs and answers otherwise. */
function refuseMoreLayers(stored: ReadonlyMap<string, StoredTensor>, config: EncoderConfig): void {
  const name = `${layerPartName(config.architecture, config.layerCount, 'attention.self.query')}.weight`;
  const full = `${config.architecture}.${name}`;
  if (!stored.has(name) && !stored.has(full)) return;
  throw new ModelError(
    `config.json names ${config.layerCount} layers, but the weights have more (${stored.has(full) ? full : name})`,
  );
}
