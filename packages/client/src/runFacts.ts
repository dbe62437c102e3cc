import type { PublicRun } from '@chorale/protocol';
import { ChoraleError, parseMessage, publicRunSchema } from '@chorale/protocol';

const TIMEOUT_MS = 20_000;

/**
 * Reads a run's public facts.
 * @param runId null for the server's current run
 * @throws {ChoraleError} DISCONNECTED, RUN_UNKNOWN, MESSAGE_INVALID
 */
export async function fetchRun(serverUrl: string, runId: string | null): Promise<PublicRun> {
  const url = new URL(`/api/runs/${encodeURIComponent(runId ?? 'current')}`, serverUrl);
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch((cause: unknown) => {
    throw new ChoraleError(
      'DISCONNECTED',
      'The server cannot be reached. Check the connection and try again.',
      { cause },
    );
  });
  if (response.status === 404) {
    throw new ChoraleError('RUN_UNKNOWN', 'This server has no such run. Ask for a fresh link.');
  }
  if (!response.ok)
    throw new ChoraleError('DISCONNECTED', `The server answered ${response.status}. Try again later.`);
  const body: unknown = await response.json().catch((cause: unknown) => {
    // A sign-in page of the network, say
    throw new ChoraleError('DISCONNECTED', 'What answered is not this server. Check the connection.', {
      cause,
    });
  });
  return parseMessage(publicRunSchema, body, 'run');
}
