import type { AuditEntry, AuditedAct } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Log } from '../log.ts';
import { KeyedBuckets } from './tokenBucket.ts';

/** Who did it: from where, and with which session or token. Nothing of it for the server itself. */
export type Actor = { actor: string | null; address: string | null };

export type AuditAbout = Partial<Actor> & { runId?: string; detail?: string };

/** What admins did, in a log that only grows and whose entries are chained by their hashes. */
export type Audit = {
  /** Writes one entry. @throws {ChoraleError} STORE_ERROR, STORE_FULL: the act is not written down */
  record(act: AuditedAct, about?: AuditAbout): void;
  /** Newest first. */
  list(limit: number, before: number | null): AuditEntry[];
};

/**
 * Anybody on the network can try to sign in, so what a stranger can have written is bounded: so many refusals at once,
 * so many again in an hour. Those beyond are in the server's log only.
 */
const REFUSALS = { capacity: 200, perSecond: 200 / 3600 };

export function openAudit(store: Store, log: Log, now: () => number = Date.now): Audit {
  const refusals = new KeyedBuckets(REFUSALS, 1);
  return {
    record(act, { actor = null, address = null, runId, detail = '' } = {}) {
      if (act === 'sign-in-refused' && !refusals.take(act, now())) {
        return log.warn({ act, address }, 'more refused sign-ins than the audit log takes');
      }
      log.info({ act, actor, address, ...(runId === undefined ? {} : { runId }) }, 'admin act');
      store.appendAudit({
        at: now(),
        act,
        actor,
        address,
        runId: runId ?? null,
        detail: detail.slice(0, 300),
      });
    },
    list: (limit, before) => store.listAudit(limit, before),
  };
}
