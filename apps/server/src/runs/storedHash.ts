import { ChoraleError, wireError } from '@chorale/protocol';
import type { Store } from '@chorale/store';

/**
 * Hash of the update under this key, if one is stored.
 * @throws {ChoraleError} STORE_ERROR, of whatever kind the failure is: it says nothing about the update, so its
 *   contributor keeps the bytes and sends them again
 */
export function storedHash(
  store: Pick<Store, 'getUpdateHash'>,
  runId: string,
  round: number,
  contributorId: string,
): string | undefined {
  try {
    return store.getUpdateHash(runId, round, contributorId);
  } catch (error) {
    throw retryableStoreError(error);
  }
}

/** What a contributor is told of a failure of the store: one that may pass, for she would drop her update otherwise. */
export function retryableStoreError(error: unknown): unknown {
  if (!(error instanceof ChoraleError) || error.code !== 'STORE_DAMAGED') return error;
  return new ChoraleError('STORE_ERROR', wireError(error).message, { cause: error });
}
