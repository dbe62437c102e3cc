import { randomBytes } from 'node:crypto';
import type { Invite, NewInvite } from '@chorale/protocol';
import { newInviteSchema } from '@chorale/protocol';
import type { Store, StoredInvite } from '@chorale/store';
import { hashToken } from '../identity.ts';

/** 24 random bytes, 192 bits: nobody finds one by trying. */
const CODE_BYTES = 24;

/**
 * Makes a code with which people who have no identity in the run yet may join it. Only its hash is kept.
 * @returns the invite, and the code: told once, here
 */
export function createInvite(
  store: Store,
  runId: string,
  wanted: NewInvite,
  nowMs: number,
): { invite: Invite; code: string } {
  const { note, uses, expiresInHours } = newInviteSchema.parse(wanted);
  const code = randomBytes(CODE_BYTES).toString('base64url');
  const invite: Invite = {
    inviteId: randomBytes(8).toString('hex'),
    note,
    createdAt: nowMs,
    expiresAt: expiresInHours === null ? null : Math.round(nowMs + expiresInHours * 3_600_000),
    uses,
    used: 0,
    withdrawn: false,
  };
  store.addInvite(runId, { ...invite, codeHash: hashToken(code) });
  return { invite, code };
}

/** What admins may see of it. */
export function withoutHash(stored: StoredInvite): Invite {
  const { inviteId, note, createdAt, expiresAt, uses, used, withdrawn } = stored;
  return { inviteId, note, createdAt, expiresAt, uses, used, withdrawn };
}

/** Whether somebody may join with it now. */
export function isUsable({ withdrawn, used, uses, expiresAt }: Invite, nowMs: number): boolean {
  return !withdrawn && used < uses && (expiresAt === null || nowMs < expiresAt);
}
