/// <reference path="./comlinkNodeAdapter.d.ts" />
import { parentPort, workerData } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { TrainerHost } from '../trainerHost.ts';
import { TrainingDevice } from '../trainingDevice.ts';
import { carryErrorCodes } from '../workerLink.ts';
import { directoryPieceCache } from './directoryPieceCache.ts';

/** What `createNodeContributor` tells it. */
export type WorkerOptions = { modelCachePath: string | null };

// The same trainer as in a tab, in a worker thread; tfjs finds its WebAssembly files by itself.
if (!parentPort) throw new Error('node/worker.ts runs as a worker thread only');
carryErrorCodes();
const { modelCachePath } = workerData as WorkerOptions;
const openPieceCache = modelCachePath === null ? async () => null : directoryPieceCache(modelCachePath);
expose(new TrainerHost(new TrainingDevice(null), openPieceCache), nodeEndpoint(parentPort));
