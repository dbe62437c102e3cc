import type { Checkpoint } from '@chorale/model';
import { frozenWeight, readCheckpoint } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import type { AdapterConfig } from '../adapterLayout.ts';
import { adapterLayout } from '../adapterLayout.ts';
import { deriveBasis } from '../basis.ts';
import { initialHead } from '../parameters.ts';
import type { PeftExportInfo, PeftSource } from '../peft/writePeft.ts';
import { writePeft } from '../peft/writePeft.ts';

export const EXPORT_INFO: PeftExportInfo = {
  baseModel: 'tiny',
  revision: '0123456789abcdef0123456789abcdef01234567',
  labels: ['no', 'yes'],
  pooling: 'cls',
  textPair: false,
};

/** An adapter with random parameters on a tiny model that has a pooler and a classifier, and its export. */
export function tinyAdapter(
  architecture: 'bert' | 'roberta' | 'distilbert',
  change: Partial<AdapterConfig> = {},
): { source: PeftSource; checkpoint: Checkpoint; files: Map<string, Uint8Array> } {
  const config: AdapterConfig = {
    strategy: 'ffa-lora',
    rank: 3,
    alpha: 6,
    targetModules: ['query', 'intermediate.dense'],
    basis: 'orthonormal',
    head: 'trained',
    seed: 5,
    ...change,
  };
  const checkpoint = readCheckpoint(tinyModel(1, undefined, { architecture, classCount: 2 }));
  const layout = adapterLayout(checkpoint.config, config, 2);
  const source: PeftSource = {
    encoder: checkpoint.config,
    config,
    layout,
    parameters: randomValues(layout.parameterCount, 9),
    basis: deriveBasis(layout, config, (module) => frozenWeight(checkpoint, module)),
    initialHead: initialHead(layout, config, {
      classifier: checkpoint.classifier,
      labels: EXPORT_INFO.labels,
    }),
    pooler: checkpoint.pooler,
  };
  return { source, checkpoint, files: writePeft(source, EXPORT_INFO) };
}
