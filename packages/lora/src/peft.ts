import type { NamedTensor } from '@chorale/model';
import { writeSafetensors } from '@chorale/model';
import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import type { Basis } from './basis.ts';
import { initialHead } from './parameters.ts';

/** What the export says about the run besides the weights. */
export type PeftExportInfo = {
  baseModel: string;
  labels: readonly string[];
  pooling: 'mean' | 'cls';
};

/**
 * Writes an adapter in Hugging Face PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`.
 * PEFT stores A as [rank, inDim] and B as [outDim, rank], the transposes of ours; the head goes under
 * `modules_to_save`, with a zero bias, which PEFT's classifier has and ours has not. Pooling and label names stand in
 * extra fields, since PEFT has none for them.
 * @param parameters [parameterCount]
 */
export function writePeft(
  layout: AdapterLayout,
  adapter: AdapterConfig,
  basis: Basis,
  parameters: Float32Array,
  { baseModel, labels, pooling }: PeftExportInfo,
): Map<string, Uint8Array> {
  const tensors = new Map<string, NamedTensor>();
  layout.modules.forEach(({ name, inDim, outDim, offset }, i) => {
    const prefix = `base_model.model.bert.${name}`;
    const b = parameters.subarray(offset, offset + layout.rank * outDim);
    tensors.set(`${prefix}.lora_A.weight`, transposed(basis[i]!, inDim, layout.rank));
    tensors.set(`${prefix}.lora_B.weight`, transposed(b, layout.rank, outDim));
  });
  const { head } = layout;
  const headWeight = head.trained
    ? parameters.subarray(head.offset, head.offset + head.rows * head.columns)
    : initialHead(layout, adapter);
  tensors.set('base_model.model.classifier.weight', transposed(headWeight, head.rows, head.columns));
  tensors.set('base_model.model.classifier.bias', {
    shape: [head.columns],
    values: new Float32Array(head.columns),
  });
  const config = {
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    base_model_name_or_path: baseModel,
    r: adapter.rank,
    lora_alpha: adapter.alpha,
    lora_dropout: 0,
    bias: 'none',
    target_modules: targetModules(layout, adapter),
    modules_to_save: ['classifier'],
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    chorale: {
      strategy: 'ffa-lora',
      basis: adapter.basis,
      seed: adapter.seed,
      head: adapter.head,
      pooling,
      labels,
    },
  };
  return new Map([
    ['adapter_config.json', new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`)],
    ['adapter_model.safetensors', writeSafetensors(tensors, { format: 'pt' })],
  ]);
}

/**
 * PEFT adapts every module whose name ends with a target, and "attention.output.dense" ends with "output.dense": where
 * only the latter is meant, all modules are named in full.
 */
function targetModules(layout: AdapterLayout, { targetModules: targets }: AdapterConfig): string[] {
  const ambiguous = targets.includes('output.dense') && !targets.includes('attention.output.dense');
  return ambiguous ? layout.modules.map(({ name }) => name) : [...targets];
}

/** A row-major [rows, columns] matrix as a tensor of shape [columns, rows]. */
function transposed(values: Float32Array, rows: number, columns: number): NamedTensor {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c]!;
  }
  return { shape: [columns, rows], values: result };
}
