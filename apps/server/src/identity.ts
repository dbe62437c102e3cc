import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { BackendName, Identity } from '@chorale/protocol';
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

/** A random public pseudonym; she proves it by a secret of her own. */
export function newContributorId(): string {
  return randomBytes(10).toString('hex');
}

/** Compared with when there is nobody of that name, so that the answer takes as long. */
const NOBODY = hashToken(randomToken());

/** Whether the token is that of this contributor in this run. */
export function isContributor(store: Store, runId: string, { contributorId, token }: Identity): boolean {
  const stored = store.getContributor(runId, contributorId);
  return tokenMatches(token, stored?.tokenHash ?? NOBODY) && stored !== undefined;
}

/** Writes down on which backend a contributor trains now, where that changed. */
export function noteBackend(store: Store, runId: string, contributorId: string, backend: BackendName): void {
  if (store.getContributor(runId, contributorId)?.backend !== backend) {
    store.setBackend(runId, contributorId, backend);
  }
}
