import type { EncoderConfig, NamedTensor } from '@chorale/model';
import { writeSafetensors } from '@chorale/model';
import type { AdapterConfig, AdapterLayout } from '../adapterLayout.ts';
import type { Basis } from '../basis.ts';
import type { HeadValues } from '../parameters.ts';
import { factorNames, headNames, peftTargets } from './peftNames.ts';
import { transposed } from './transposed.ts';

/** A trained adapter with all that its model needs besides the checkpoint. */
export type PeftSource = {
  encoder: EncoderConfig;
  config: AdapterConfig;
  layout: AdapterLayout;
  /** [parameterCount] */
  parameters: Float32Array;
  /** A where the strategy does not train it. */
  basis: Basis;
  /** The head where it is not trained. */
  initialHead: HeadValues;
  /** What pooling goes through, weight [hiddenSize, hiddenSize] as [inDim, outDim]; RoBERTa keeps it in its classifier. */
  pooler: { weight: Float32Array; bias: Float32Array } | null;
};

/** What the export says about the run besides the weights. */
export type PeftExportInfo = {
  /** For `base_model_name_or_path`. */
  baseModel: string;
  /** The commit or tag of its repository, for PEFT's `revision`; null: none. */
  revision: string | null;
  labels: readonly string[];
  pooling: 'mean' | 'cls';
  textPair: boolean;
};

/**
 * Writes an adapter in Hugging Face PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
 * PEFT stores A as [rank, inDim] and B as [outDim, rank], the transposes of ours; the head stands under
 * `modules_to_save`, trained or not. Strategy, basis, pooling and label names stand in an extra field, `chorale`, since PEFT
 * has none for them.
 * @returns file name → bytes
 */
export function writePeft(source: PeftSource, info: PeftExportInfo): Map<string, Uint8Array> {
  const { encoder, config, layout, parameters, basis } = source;
  const { rank } = layout;
  const tensors = new Map<string, NamedTensor>();
  const putMatrix = (name: string, values: Float32Array, rows: number, columns: number) =>
    tensors.set(name, { shape: [columns, rows], values: transposed(values, rows, columns) });
  layout.modules.forEach((module, i) => {
    const { inDim, outDim, offset, aOffset } = module;
    const names = factorNames(encoder, module);
    const a = aOffset === null ? basis[i]! : parameters.subarray(aOffset, aOffset + inDim * rank);
    putMatrix(names.a, a, inDim, rank);
    putMatrix(names.b, parameters.subarray(offset, offset + rank * outDim), rank, outDim);
  });
  const names = headNames(encoder);
  const { rows, columns } = layout.head;
  const head = headOf(source);
  putMatrix(`${names.classifier}.weight`, head.weight, rows, columns);
  tensors.set(`${names.classifier}.bias`, { shape: [columns], values: head.bias });
  if (names.pooler !== null && source.pooler !== null) {
    const { weight, bias } = source.pooler;
    putMatrix(`${names.pooler}.weight`, weight, rows, rows);
    tensors.set(`${names.pooler}.bias`, { shape: [rows], values: bias });
  }
  const { baseModel, revision, labels, pooling, textPair } = info;
  const { strategy, seed } = config;
  const json = {
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    base_model_name_or_path: baseModel,
    revision,
    r: config.rank,
    lora_alpha: config.alpha,
    lora_dropout: 0,
    bias: 'none',
    target_modules: peftTargets(encoder, layout),
    modules_to_save: ['classifier'],
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    chorale: {
      strategy,
      basis: config.basis,
      seed,
      head: config.head,
      pooling,
      textPair,
      labels,
      // As transformers' config.json has it, to be handed to from_pretrained
      id2label: Object.fromEntries(labels.map((label, index) => [index, label])),
    },
  };
  return new Map([
    ['adapter_config.json', new TextEncoder().encode(`${JSON.stringify(json, null, 2)}\n`)],
    ['adapter_model.safetensors', writeSafetensors(tensors, { format: 'pt' })],
  ]);
}

function headOf({ layout, parameters, initialHead }: PeftSource): HeadValues {
  const { trained, offset, biasOffset, columns } = layout.head;
  if (!trained) return initialHead;
  return {
    weight: parameters.subarray(offset, biasOffset),
    bias: parameters.slice(biasOffset, biasOffset + columns),
  };
}
