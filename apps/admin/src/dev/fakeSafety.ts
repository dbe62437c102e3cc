import type { AuditEntry, AuditedAct, Invite } from '@chorale/protocol';
import { canonicalJson, sha256Hex } from '@chorale/protocol';

const DAY_MS = 86_400_000;

export function fakeInvites(): Invite[] {
  const now = Date.now();
  const base = { createdAt: now - 3 * DAY_MS, expiresAt: now + 11 * DAY_MS, withdrawn: false };
  return [
    { ...base, inviteId: 'aaaaaaaa', note: 'Night shift', uses: 12, used: 12 },
    { ...base, inviteId: 'bbbbbbbb', note: 'Drivers of line 4', uses: 20, used: 7 },
    { ...base, inviteId: 'cccccccc', note: '', uses: 1, used: 0, expiresAt: now - DAY_MS },
    { ...base, inviteId: 'dddddddd', note: 'Sent to the wrong list', uses: 50, used: 2, withdrawn: true },
  ];
}

/** Newest first; 120 entries, so that there is more than one page. */
export async function fakeAudit(): Promise<AuditEntry[]> {
  const acts = [
    'sign-in',
    'invite-created',
    'pause',
    'resume',
    'sign-in-refused',
    'adapter-downloaded',
  ] as const;
  const entries: AuditEntry[] = [];
  let previousHash = '0'.repeat(64);
  for (let sequence = 1; sequence <= 120; sequence++) {
    const act: AuditedAct = sequence === 1 ? 'server-start' : acts[sequence % acts.length]!;
    const ofRun = act !== 'sign-in' && act !== 'sign-in-refused' && act !== 'server-start';
    const fields = {
      sequence,
      at: Date.UTC(2026, 10, 1) + sequence * 3_700_000,
      act,
      actor: act === 'server-start' || act === 'sign-in-refused' ? null : '3fa91c07',
      address: act === 'server-start' ? null : '203.0.113.7',
      runId: ofRun ? 'film-reviews' : null,
      detail: act === 'invite-created' ? '20 people, 14 days' : '',
      previousHash,
    };
    const hash = await sha256Hex(new TextEncoder().encode(canonicalJson(fields)));
    entries.unshift({ ...fields, hash });
    previousHash = hash;
  }
  return entries;
}
