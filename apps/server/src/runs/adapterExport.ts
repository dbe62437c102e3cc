import type { ResolvedRun } from '@chorale/protocol';
import type { DataDirectory } from '../dataDirectory.ts';
import { readStoredModel } from '../models/storedModel.ts';
import type { ServerParts } from '../serverParts.ts';
import { baseModelOf, modelCard } from './modelCard.ts';
import type { RunEpsilons } from './runEpsilons.ts';

export type AdapterExport = { adapterVersion: number; files: Map<string, Uint8Array> };

/**
 * The newest global adapter of a run as Hugging Face PEFT's files, with a README that says how it was protected.
 * @throws {ChoraleError} STORE_ERROR
 */
export async function exportAdapter(
  run: ResolvedRun,
  {
    data: { store, files },
    parts,
    epsilons,
  }: { data: Pick<DataDirectory, 'store' | 'files'>; parts: ServerParts; epsilons: RunEpsilons },
): Promise<AdapterExport> {
  const { adapterVersion, parameters } = store.latestAdapter(run.runId);
  const { config, model } = run.plan;
  const exported = parts.exportPeft(
    readStoredModel({ directory: files.directory, files: model.files }),
    config,
    Float32Array.from(parameters),
    { baseModel: baseModelOf(run.plan), revision: model.source?.revision ?? null },
  );
  // Each version is made by one round, and round 0 is the start
  const record = store.listRecords(run.runId).find((one) => one.adapterVersion === adapterVersion);
  if (record) {
    const charged = store.mostChargedRounds(run.runId);
    await epsilons.prepare([charged], 'urgent');
    const card = modelCard(run, record, epsilons.of(charged));
    exported.set('README.md', new TextEncoder().encode(card));
  }
  return { adapterVersion, files: exported };
}
