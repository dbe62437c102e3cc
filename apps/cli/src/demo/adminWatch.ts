import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import type { RoundRecord, RunDetail } from '@chorale/protocol';
import {
  ADMIN_NAMESPACE,
  ChoraleError,
  ENDED_STATUSES,
  parseMessage,
  runDetailSchema,
} from '@chorale/protocol';
import { io } from 'socket.io-client';
import type { ServerAddresses } from '../serverProcess.ts';

/**
 * Follows a run as the admin page does, until it ends.
 * @param onRecord called once for each round, in order
 * @returns the run at its end
 */
export function watchRun(
  addresses: ServerAddresses,
  onRecord: (record: RoundRecord) => void,
): Promise<RunDetail> {
  const socket = io(new URL(ADMIN_NAMESPACE, addresses.contributeUrl).href, {
    transports: ['websocket'],
    extraHeaders: { authorization: `Bearer ${addresses.adminToken}` },
  });
  let shown = 0;
  return new Promise<RunDetail>((resolve, reject) => {
    socket.on('connect_error', (error) => {
      if (!socket.active)
        reject(new ChoraleError('ADMIN_REQUIRED', `The server refused the admin: ${error.message}`));
    });
    socket.on('run:detail', (message: unknown) => {
      const detail = parseMessage(runDetailSchema, message, 'run:detail');
      if (detail.run.runId !== addresses.runId) return;
      const settled = settledRecords(detail);
      for (const record of settled.slice(shown)) onRecord(record);
      shown = settled.length;
      if (ENDED_STATUSES.includes(detail.state.status)) resolve(detail);
    });
  }).finally(() => socket.close());
}

/** The records that change no more: a record is there before its test results are, unless a later one is there too. */
function settledRecords({ rounds, run, state }: RunDetail): RoundRecord[] {
  if (run.plan.config.evaluation === undefined || ENDED_STATUSES.includes(state.status)) return rounds;
  const measured = rounds.findLastIndex((record) => record.testAccuracy !== null);
  return rounds.slice(0, measured + 1);
}

/**
 * Downloads the global adapter in PEFT layout.
 * @returns the folder it was written to
 */
export async function downloadAdapter(
  { contributeUrl, adminToken, runId }: ServerAddresses,
  directory: string,
) {
  const url = new URL(`/api/admin/runs/${runId}/adapter.zip`, contributeUrl);
  const response = await fetch(url, { headers: { authorization: `Bearer ${adminToken}` } });
  if (!response.ok)
    throw new ChoraleError('INTERNAL', `The adapter could not be downloaded: ${response.status}`);
  const folder = join(directory, 'adapter');
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(unzipSync(new Uint8Array(await response.arrayBuffer())))) {
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}
