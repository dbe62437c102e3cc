/// <reference path="./comlinkNodeAdapter.d.ts" />
import { Worker } from 'node:worker_threads';
import { wrap } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import type { BackendName } from '@chorale/protocol';
import { Contributor } from '../contributor.ts';
import { openMemoryLedger } from '../ledger.ts';
import type { ContributorController } from '../state.ts';
import type { TrainerHost } from '../trainerHost.ts';
import type { TrainerWorker } from '../workerLink.ts';
import { carryErrorCodes } from '../workerLink.ts';

/**
 * A contributor in a Node process, with the same code as a tab. Its ledger lasts as long as the process.
 * @param epsilonLimit most epsilon it may spend in all; without it, what the whole plan costs
 */
export function createNodeContributor(options: {
  serverUrl: string;
  runId: string | null;
  forcedBackend: Extract<BackendName, 'wasm' | 'cpu'>;
  epsilonLimit?: number;
}): ContributorController {
  carryErrorCodes();
  return new Contributor({
    ...options,
    openWorker,
    openLedger: () => Promise.resolve(openMemoryLedger()),
    holdRun: () => Promise.resolve(() => undefined),
  });
}

function openWorker(): TrainerWorker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url));
  return { trainer: wrap<TrainerHost>(nodeEndpoint(worker)), terminate: () => void worker.terminate() };
}
