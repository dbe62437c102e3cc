import { createHash } from 'node:crypto';
import type { AuditEntry } from '@chorale/protocol';
import { canonicalJson } from '@chorale/protocol';
import type { NewAuditEntry } from './store.ts';

/** `previousHash` of the first entry. */
export const AUDIT_START = '0'.repeat(64);

/** The entry that comes after `last`: numbered from 1, and bound to all before it by their hash. */
export function chainAuditEntry(last: AuditEntry | undefined, entry: NewAuditEntry): AuditEntry {
  // Field by field: what else the caller's object carries is not part of the log, and would not be in the hash
  const { at, act, actor, address, runId, detail } = entry;
  const fields = {
    sequence: (last?.sequence ?? 0) + 1,
    at,
    act,
    actor,
    address,
    runId,
    detail,
    previousHash: last?.hash ?? AUDIT_START,
  };
  return { ...fields, hash: hashOf(fields) };
}

export type AuditVerdict =
  | { intact: true }
  /** `sequence` names the first entry that is not as it was written, or does not follow the one before it. */
  | { intact: false; sequence: number; reason: string };

/**
 * Whether entries are what was written: each has its hash, none between them is missing, and the first one of all starts
 * the chain. Entries missing at the new end cannot be seen from the rest: keep the newest hash elsewhere to see that too.
 * @param entries a stretch of the log, in either order
 */
export function verifyAuditChain(entries: readonly AuditEntry[]): AuditVerdict {
  let previous: AuditEntry | undefined;
  for (const entry of entries.toSorted((a, b) => a.sequence - b.sequence)) {
    const { hash, ...fields } = entry;
    const { sequence } = entry;
    if (hashOf(fields) !== hash)
      return { intact: false, sequence, reason: 'its fields are not those of its hash' };
    if (previous === undefined && sequence === 1 && entry.previousHash !== AUDIT_START) {
      return { intact: false, sequence, reason: 'it names an entry before the first' };
    }
    if (previous !== undefined && sequence !== previous.sequence + 1) {
      return {
        intact: false,
        sequence,
        reason: `expected it to follow entry ${sequence - 1}, that one is missing`,
      };
    }
    if (previous !== undefined && entry.previousHash !== previous.hash) {
      return {
        intact: false,
        sequence,
        reason: 'the entry before it is another one than when it was written',
      };
    }
    previous = entry;
  }
  return { intact: true };
}

function hashOf(fields: Omit<AuditEntry, 'hash'>): string {
  return createHash('sha256').update(canonicalJson(fields)).digest('hex');
}
