/// <reference path="./comlinkNodeAdapter.d.ts" />
import { parentPort } from 'node:worker_threads';
import { expose } from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { TrainerHost } from '../trainerHost.ts';
import { carryErrorCodes } from '../workerLink.ts';

// The same trainer as in a tab, in a worker thread; tfjs finds its WebAssembly files by itself.
if (!parentPort) throw new Error('node/worker.ts runs as a worker thread only');
carryErrorCodes();
expose(new TrainerHost(null), nodeEndpoint(parentPort));
