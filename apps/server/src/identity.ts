import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { BackendName, JoinMessage } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';

/** A random secret: 32 bytes as base64url. */
export function randomToken(): string {
  return randomBytes(32).toString('base64url');
}

/** What is stored of a secret. It is random and long, so a plain hash is enough. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Compares a secret with a stored hash, in a time that does not tell how much fits. */
export function tokenMatches(token: string, hash: string): boolean {
  return timingSafeEqual(Buffer.from(hashToken(token), 'hex'), Buffer.from(hash, 'hex'));
}

export type Identity = { contributorId: string; token: string };

/**
 * Finds the contributor who joins, or makes a new one: a random public pseudonym and a secret that proves it later.
 * @throws {ChoraleError} IDENTITY_INVALID
 */
export function identify(
  store: Store,
  runId: string,
  identity: JoinMessage['identity'],
  backend: BackendName,
): Identity {
  if (identity === undefined) {
    const created = { contributorId: randomBytes(10).toString('hex'), token: randomToken() };
    store.addContributor(runId, {
      contributorId: created.contributorId,
      tokenHash: hashToken(created.token),
      backend,
    });
    return created;
  }
  if (!isContributor(store, runId, identity)) {
    throw new ChoraleError(
      'IDENTITY_INVALID',
      `expected the token of contributor ${identity.contributorId} in this run, got another; join without an identity to start as somebody new`,
    );
  }
  const stored = store.getContributor(runId, identity.contributorId);
  if (stored?.backend !== backend) store.setBackend(runId, identity.contributorId, backend);
  return identity;
}

/** Whether the token is that of this contributor in this run. */
export function isContributor(store: Store, runId: string, { contributorId, token }: Identity): boolean {
  const stored = store.getContributor(runId, contributorId);
  return stored !== undefined && tokenMatches(token, stored.tokenHash);
}
