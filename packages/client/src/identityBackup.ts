import { ChoraleError, handshakeSchema, joinSchema } from '@chorale/protocol';
import { z } from 'zod';
import type { Identity } from './ledger.ts';

/** A second place for who a contributor is and which plan she agreed to, for when the ledger's storage is lost. */
export type IdentityBackup = {
  /**
   * @returns null only where it is sure that none was kept
   * @throws {ChoraleError} DISCONNECTED: it cannot be told now; ask again later
   */
  read(runId: string): Promise<Identity | null>;
  /** @throws {ChoraleError} DISCONNECTED: it was not kept */
  save(runId: string, identity: Identity): Promise<void>;
};

const identitySchema = handshakeSchema.shape.identity
  .unwrap()
  .extend({ planHash: joinSchema.shape.planHash });
const answerSchema = z.strictObject({ identity: identitySchema.nullable() });

/**
 * The backup in a cookie of the server, which no script can read and which eviction of a page's storage spares.
 * @returns null where there can be none: on a page of another origin than the server, and outside browsers
 */
export function cookieBackup(serverUrl: string): IdentityBackup | null {
  if (!('location' in globalThis) || new URL(serverUrl).origin !== globalThis.location.origin) return null;
  const addressOf = (runId: string) => new URL(`/api/runs/${encodeURIComponent(runId)}/identity`, serverUrl);
  return {
    async read(runId) {
      const response = await ask(addressOf(runId), { credentials: 'same-origin' });
      const body: unknown = await response.json().catch(() => null);
      const answer = answerSchema.safeParse(body);
      // Whoever is taken for new starts from zero, so nothing but the answer itself may say so
      if (!answer.success) throw unclear('an answer that is none');
      return answer.data.identity;
    },
    async save(runId, identity) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify(identity);
      await ask(addressOf(runId), { method: 'POST', credentials: 'same-origin', headers, body });
    },
  };
}

async function ask(address: URL, request: RequestInit): Promise<Response> {
  const response = await fetch(address, request).catch((cause: unknown) => {
    throw unclear('no answer', cause);
  });
  if (!response.ok) throw unclear(`status ${response.status}`);
  return response;
}

function unclear(came: string, cause?: unknown): ChoraleError {
  return new ChoraleError(
    'DISCONNECTED',
    `Expected the server to say whether this browser contributed before, got ${came}. This page asks again by itself.`,
    { cause },
  );
}
