import { adapterLayout, basisBytes, deriveBasis, initialParameters, writePeft } from '@chorale/lora';
import type { ModelFiles } from '@chorale/model';
import { readCheckpoint } from '@chorale/model';
import type { RunConfig } from '@chorale/protocol';
import { sha256Hex } from '@chorale/protocol';

/** What server and tabs must agree on before the first round; each derives it for itself. */
export type AdapterFacts = {
  /** SHA-256 over the derived A matrices. */
  basisHash: string;
  parameterCount: number;
  /** The global adapter of version 0, [parameterCount]. */
  initialParameters: Float32Array;
};

/**
 * Derives a run's adapter from its model and config.
 * @throws {ModelError} the model cannot be used; {RangeError} the adapter does not fit it
 */
export async function describeAdapter(files: ModelFiles, config: RunConfig): Promise<AdapterFacts> {
  const layout = layoutOf(files, config);
  return {
    basisHash: await sha256Hex(basisBytes(deriveBasis(layout, config.adapter))),
    parameterCount: layout.parameterCount,
    initialParameters: initialParameters(layout, config.adapter),
  };
}

/**
 * The global adapter in Hugging Face PEFT's layout.
 * @param parameters [parameterCount]
 * @returns file name → bytes
 */
export function exportPeft(
  files: ModelFiles,
  config: RunConfig,
  parameters: Float32Array,
): Map<string, Uint8Array> {
  const layout = layoutOf(files, config);
  return writePeft(layout, config.adapter, deriveBasis(layout, config.adapter), parameters, {
    baseModel: config.model,
    labels: config.task.labels,
    pooling: config.task.pooling,
  });
}

function layoutOf(files: ModelFiles, config: RunConfig) {
  return adapterLayout(readCheckpoint(files).config, config.adapter, config.task.labels.length);
}
