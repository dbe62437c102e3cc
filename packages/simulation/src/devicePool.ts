import type { Evaluation } from '@chorale/trainer';
import type { SeedDevice, SeedSetup } from './seedDevice.ts';
import { openSeedDevice } from './seedDevice.ts';
import { openThreadDevice } from './threadDevice.ts';

/** Devices that share out the clients of a round. What comes out does not depend on how many they are. */
export type DevicePool = {
  /**
   * A round of all these clients.
   * @param clients  numbers from 0
   * @param onClient called after each client with how many are done
   * @returns their encoded updates, in the same order
   */
  train(
    clients: readonly number[],
    round: number,
    parameters: Float32Array,
    onClient: (done: number) => void,
  ): Promise<Uint8Array[]>;
  evaluate(parameters: Float32Array): Promise<Evaluation>;
  close(): Promise<void>;
};

/**
 * @param workers at least 1; one device computes in this thread, several in threads of their own
 * @throws as `openSeedDevice`
 */
export async function openDevicePool(setup: SeedSetup, workers: number): Promise<DevicePool> {
  const devices = await openDevices(setup, workers);
  return {
    async train(clients, round, parameters, onClient) {
      const updates: Uint8Array[] = [];
      let next = 0;
      let done = 0;
      await Promise.all(
        devices.map(async (device) => {
          while (next < clients.length) {
            const at = next;
            next += 1;
            updates[at] = await device.train(clients[at]!, round, parameters);
            done += 1;
            onClient(done);
          }
        }),
      );
      return updates;
    },
    evaluate: (parameters) => devices[0]!.evaluate(parameters),
    async close() {
      await Promise.all(devices.map((device) => device.close()));
    },
  };
}

async function openDevices(setup: SeedSetup, workers: number): Promise<SeedDevice[]> {
  if (workers === 1) return [await openSeedDevice(setup)];
  const opened = await Promise.allSettled(Array.from({ length: workers }, () => openThreadDevice(setup)));
  const devices = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = opened.find((one) => one.status === 'rejected');
  if (failed === undefined) return devices;
  await Promise.all(devices.map((device) => device.close()));
  throw failed.reason;
}
