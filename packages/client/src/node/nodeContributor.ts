/// <reference path="./comlinkNodeAdapter.d.ts" />
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { BackendName } from '@chorale/protocol';
import { MAX_FILE_BYTES } from '@chorale/trainer';
import { Contributor } from '../contributor.ts';
import { openMemoryLedger } from '../ledger.ts';
import type { ContributorController, Limits } from '../state.ts';
import { sleepWakeups } from '../wakeups.ts';
import type { TrainerHost } from '../trainerHost.ts';
import type { TrainerWorker } from '../workerLink.ts';
import { carryErrorCodes } from '../workerLink.ts';
import type { WorkerOptions } from './worker.ts';
import { holdRunInFile, openFileLedger } from './fileLedger.ts';

/**
 * A contributor in a Node process, with the same code as a tab.
 * @param ledgerPath where it keeps what was spent and who it is, one file a person; null for a ledger that lasts as
 *   long as the process, for contributors who never come back
 * @param modelCachePath where it keeps models, which others may share; null to load them every time
 * @param invite the code of a run by invitation, or null
 * @param limits as far as they are named; else those of its ledger, else just what the whole plan asks for
 */
export function createNodeContributor(options: {
  serverUrl: string;
  runId: string | null;
  forcedBackend: Extract<BackendName, 'wasm' | 'cpu'>;
  ledgerPath: string | null;
  modelCachePath: string | null;
  invite: string | null;
  limits?: Partial<Limits>;
  /** A device that makes no step for so long is stuck; default ten minutes. */
  stepTimeoutMs?: number;
}): ContributorController {
  carryErrorCodes();
  const { ledgerPath, modelCachePath, ...others } = options;
  const contributor = new Contributor({
    ...others,
    openWorker: () => openWorker({ modelCachePath }),
    openLedger: async (runId) =>
      ledgerPath === null ? openMemoryLedger() : openFileLedger(ledgerPath, runId),
    holdRun: async (runId) => (ledgerPath === null ? () => undefined : holdRunInFile(ledgerPath, runId)),
    identityBackup: null,
    // Whoever starts a process means it to work
    conditions: null,
    wakeups: sleepWakeups(),
  });
  const { readFile } = contributor;
  contributor.readFile = async (file) => await readFile(await inMemory(file));
  return contributor;
}

/** Node 24 aborts the whole process when a worker thread reads a blob that another thread opened from the disk. */
async function inMemory(file: File): Promise<File> {
  // A larger one is refused by its size and never read
  return file.size > MAX_FILE_BYTES ? file : new File([await file.arrayBuffer()], file.name);
}

function openWorker(workerData: WorkerOptions): TrainerWorker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData });
  return {
    trainer: wrap<TrainerHost>(nodeEndpoint(worker)),
    terminate: () => void worker.terminate(),
    onFailed: (listener) => {
      worker.on('error', listener);
      worker.on('messageerror', listener);
    },
  };
}
