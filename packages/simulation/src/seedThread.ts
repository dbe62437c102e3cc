// A thread of a pool: one device, one request at a time.
import { parentPort, workerData } from 'node:worker_threads';
import { wireError } from '@chorale/protocol';
import type { SeedDevice, SeedSetup } from './seedDevice.ts';
import { openSeedDevice } from './seedDevice.ts';
import type { ThreadAnswer, ThreadRequest } from './threadDevice.ts';

const port = parentPort;
if (port === null) throw new Error('seedThread.ts runs as a worker thread only');
const send = (message: ThreadAnswer) => port.postMessage(message);
const sendError = (error: unknown) => {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  send({ kind: 'error', error: wireError(error), detail });
};

try {
  const device = await openSeedDevice(workerData as SeedSetup);
  port.on('message', (request: ThreadRequest) => {
    answer(device, request).then(send, sendError);
  });
  send({ kind: 'ready' });
} catch (error) {
  sendError(error);
}

async function answer(device: SeedDevice, request: ThreadRequest): Promise<ThreadAnswer> {
  switch (request.kind) {
    case 'train': {
      const { client, round, parameters } = request;
      return { kind: 'update', update: await device.train(client, round, parameters) };
    }
    case 'evaluate':
      return { kind: 'evaluation', evaluation: await device.evaluate(request.parameters) };
    default:
      return request satisfies never;
  }
}
