import { joinSchema, parseMessage } from '@chorale/protocol';
import { z } from 'zod';

export type KeptIdentity = { contributorId: string; token: string };

/** A second place for who a contributor is, for when the ledger's storage is lost. Never throws: it is a backup. */
export type IdentityBackup = {
  read(runId: string): Promise<KeptIdentity | null>;
  save(runId: string, identity: KeptIdentity): Promise<void>;
};

const answerSchema = z.strictObject({ identity: joinSchema.shape.identity.unwrap().nullable() });

/**
 * The backup in a cookie of the server, which no script can read and which eviction of a page's storage spares.
 * @returns null where there can be none: on a page of another origin than the server, and outside browsers
 */
export function cookieBackup(serverUrl: string): IdentityBackup | null {
  if (!('location' in globalThis) || new URL(serverUrl).origin !== globalThis.location.origin) return null;
  const addressOf = (runId: string) => new URL(`/api/runs/${encodeURIComponent(runId)}/identity`, serverUrl);
  return {
    async read(runId) {
      try {
        const response = await fetch(addressOf(runId), { credentials: 'same-origin' });
        if (!response.ok) return null;
        return parseMessage(answerSchema, await response.json(), 'identity').identity;
      } catch {
        return null;
      }
    },
    async save(runId, identity) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify(identity);
      await fetch(addressOf(runId), { method: 'POST', credentials: 'same-origin', headers, body }).catch(
        () => undefined,
      );
    },
  };
}
