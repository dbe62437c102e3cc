import type { AdminAction, RunDetail } from '@chorale/protocol';
import { runDetailSchema } from '@chorale/protocol';
import type { Addresses } from './server.ts';

/** The run as admins see it, read with the token and without a browser. */
export async function fetchDetail({ contributeUrl, adminToken, runId }: Addresses): Promise<RunDetail> {
  const response = await fetch(new URL('/api/admin/runs', contributeUrl), {
    headers: { authorization: `Bearer ${adminToken}` },
  });
  const details = runDetailSchema.array().parse(await response.json());
  const detail = details.find(({ run }) => run.runId === runId);
  if (!detail) throw new Error(`The server has no run ${runId}.`);
  return detail;
}

/** Pauses, resumes or stops the run. */
export async function act(
  { contributeUrl, adminToken, runId }: Addresses,
  action: AdminAction,
): Promise<void> {
  const response = await fetch(new URL(`/api/admin/runs/${runId}/${action}`, contributeUrl), {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}` },
  });
  if (!response.ok) throw new Error(`${action}: HTTP ${response.status} ${await response.text()}`);
}
