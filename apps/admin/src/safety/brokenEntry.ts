import type { AuditEntry } from '@chorale/protocol';
import { canonicalJson, sha256Hex } from '@chorale/protocol';

/**
 * Checks what the server sent of its log: each entry has the hash of its fields, and names the hash of the one before it.
 * @param entries newest first, without gaps
 * @returns sequence of the newest entry that does not fit; null when all do
 */
export async function brokenEntry(entries: readonly AuditEntry[]): Promise<number | null> {
  for (const [i, { hash, ...fields }] of entries.entries()) {
    const computed = await sha256Hex(new TextEncoder().encode(canonicalJson(fields)));
    const older = entries[i + 1];
    const follows =
      older === undefined || (older.sequence === fields.sequence - 1 && older.hash === fields.previousHash);
    if (computed !== hash || !follows) return fields.sequence;
  }
  return null;
}
