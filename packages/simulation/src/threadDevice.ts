import { Worker } from 'node:worker_threads';
import type { WireError } from '@chorale/protocol';
import { fromWireError } from '@chorale/protocol';
import type { Evaluation } from '@chorale/trainer';
import type { SeedDevice, SeedSetup } from './seedDevice.ts';

export type ThreadRequest =
  | { kind: 'train'; client: number; round: number; parameters: Float32Array }
  | { kind: 'evaluate'; parameters: Float32Array };

export type ThreadAnswer =
  | { kind: 'ready' }
  | { kind: 'update'; update: Uint8Array }
  | { kind: 'evaluation'; evaluation: Evaluation }
  | { kind: 'error'; error: WireError; detail: string };

type Answered<Kind extends ThreadAnswer['kind']> = Extract<ThreadAnswer, { kind: Kind }>;

/**
 * A device in a thread of its own.
 * @throws as `openSeedDevice`, and for a thread that ends by itself
 */
export async function openThreadDevice(setup: SeedSetup): Promise<SeedDevice> {
  const worker = new Worker(new URL('./seedThread.ts', import.meta.url), { workerData: setup });
  let waiting: { resolve: (answer: ThreadAnswer) => void; reject: (error: Error) => void } | null = null;
  let failure: Error | null = null;
  const settle = (act: (one: NonNullable<typeof waiting>) => void) => {
    const one = waiting;
    waiting = null;
    if (one !== null) act(one);
  };
  const fail = (error: Error) => {
    failure ??= error;
    settle(({ reject }) => reject(error));
  };
  worker.on('message', (answer: ThreadAnswer) => settle(({ resolve }) => resolve(answer)));
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a training thread ended with code ${code}`)));
  const next = () =>
    new Promise<ThreadAnswer>((resolve, reject) => {
      if (failure !== null) reject(failure);
      else waiting = { resolve, reject };
    });
  const ask = async <Kind extends ThreadAnswer['kind']>(
    kind: Kind,
    request: ThreadRequest | null,
  ): Promise<Answered<Kind>> => {
    const answered = next();
    if (request !== null) worker.postMessage(request);
    return expectKind(kind, await answered);
  };
  const device: SeedDevice = {
    train: async (client, round, parameters) =>
      (await ask('update', { kind: 'train', client, round, parameters })).update,
    evaluate: async (parameters) => (await ask('evaluation', { kind: 'evaluate', parameters })).evaluation,
    async close() {
      await worker.terminate();
    },
  };
  try {
    await ask('ready', null);
  } catch (error) {
    await device.close();
    throw error;
  }
  return device;
}

function expectKind<Kind extends ThreadAnswer['kind']>(kind: Kind, answer: ThreadAnswer): Answered<Kind> {
  if (answer.kind === kind) return answer as Answered<Kind>;
  if (answer.kind !== 'error') throw new Error(`expected ${kind} of a training thread, got ${answer.kind}`);
  // An error of the program itself has no words for others, but this thread is no other
  throw answer.error.code === 'INTERNAL' ? new Error(answer.detail) : fromWireError(answer.error);
}
