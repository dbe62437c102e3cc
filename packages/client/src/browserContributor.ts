import { wrap } from 'comlink';
import type { BackendName } from '@chorale/protocol';
import { browserConditions } from './browserConditions.ts';
import { browserWakeups } from './browserWakeups.ts';
import { Contributor } from './contributor.ts';
import { cookieBackup } from './identityBackup.ts';
import { openIndexedDbLedger } from './indexedDbLedger.ts';
import type { ContributorController } from './state.ts';
import type { TrainerHost } from './trainerHost.ts';
import type { TrainerWorker } from './workerLink.ts';
import { carryErrorCodes } from './workerLink.ts';

/**
 * A contributor in a browser tab: training in a Web Worker, the ledger in IndexedDB, one tab a run by a Web Lock.
 * @param runId null for the server's current run
 * @param forcedBackend a backend the person asked for, or null to choose
 * @param invite the code of a run by invitation, or null
 * @param onJoined called each time that the server has let her in
 * @param stepTimeoutMs a device that makes no step for so long is stuck; default ten minutes
 */
export function createContributor(options: {
  serverUrl: string;
  runId: string | null;
  forcedBackend: BackendName | null;
  invite: string | null;
  onJoined?: () => void;
  stepTimeoutMs?: number;
}): ContributorController {
  carryErrorCodes();
  return new Contributor({
    ...options,
    openWorker,
    openLedger: openIndexedDbLedger,
    holdRun,
    identityBackup: cookieBackup(options.serverUrl),
    askToKeep,
    conditions: browserConditions(),
    wakeups: browserWakeups,
  });
}

function openWorker(): TrainerWorker {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    type: 'module',
    name: 'chorale-trainer',
  });
  return {
    trainer: wrap<TrainerHost>(worker),
    terminate: () => worker.terminate(),
    onFailed: (listener) => {
      worker.addEventListener('error', (event) =>
        listener(new Error(event.message || 'the program did not load')),
      );
      worker.addEventListener('messageerror', () => listener(new Error('a message could not be read')));
    },
  };
}

/** Without it a browser may delete the ledger when the disk is full, or when the page was not opened for long. */
function askToKeep(): void {
  void navigator.storage.persist().catch(() => false);
}

/** Holds a Web Lock until the returned function is called; the browser frees it when the tab closes. */
function holdRun(runId: string): Promise<(() => void) | null> {
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(`chorale-run-${runId}`, { ifAvailable: true }, (lock) => {
        if (!lock) {
          resolve(null);
          return undefined;
        }
        return new Promise<void>((release) => resolve(release));
      })
      .catch(reject);
  });
}
