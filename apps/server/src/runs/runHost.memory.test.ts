import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it } from 'vitest';
import { HostSite } from './runHost.fixture.ts';

let site: HostSite;
afterEach(() => site.clean());

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes that are reachable (objects and buffers), and those of the process. */
function memory(): { reachable: number; resident: number } {
  collect();
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { reachable: heapUsed + external, resident: rss };
}

it('does not grow with the number of updates of a round', { timeout: 60_000 }, async () => {
  const parameterCount = 100_000;
  const cohortSize = 320;
  site = await HostSite.open({
    parameterCount,
    config: { rounds: { count: 1, cohortSize, minimumUpdates: 1, deadlineSeconds: 600 } },
  });
  const ids = site.join(cohortSize);
  const values = Array.from({ length: parameterCount }, (_, i) => i / parameterCount);
  const payload = site.encode(1, values);
  const sendAll = async (some: readonly string[]): Promise<void> => {
    for (let k = 0; k < some.length; k += 8) {
      // Each its own bytes in memory, as from a socket
      const batch = some.slice(k, k + 8).map((id) => site.send(id, 1, payload.slice()));
      expect(new Set(await Promise.all(batch))).toEqual(new Set(['accepted']));
    }
  };
  await sendAll(ids.slice(0, 40));
  const early = memory();
  await sendAll(ids.slice(40, -1));
  const late = memory();
  const sentBytes = (cohortSize - 41) * payload.byteLength;
  console.log(
    `after ${(sentBytes / 2 ** 20).toFixed(0)} MiB more: reachable ${((late.reachable - early.reachable) / 2 ** 20).toFixed(1)} MiB more, resident ${((late.resident - early.resident) / 2 ** 20).toFixed(1)} MiB more`,
  );
  expect(late.reachable - early.reachable).toBeLessThan(0.05 * sentBytes);
  expect(late.resident - early.resident).toBeLessThan(0.5 * sentBytes);
  expect(site.host.view()).toMatchObject({ received: cohortSize - 1 });
});
