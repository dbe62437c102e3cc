import { expose } from 'comlink';
import { wasmUrls } from '@chorale/trainer/wasmUrls';
import { openBrowserPieceCache } from './browserPieceCache.ts';
import { TrainerHost } from './trainerHost.ts';
import { TrainingDevice } from './trainingDevice.ts';
import { carryErrorCodes } from './workerLink.ts';

// The Web Worker of a tab: everything that touches private rows runs here.
carryErrorCodes();
expose(new TrainerHost(new TrainingDevice(wasmUrls), openBrowserPieceCache));
