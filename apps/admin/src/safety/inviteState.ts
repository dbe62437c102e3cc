import type { Invite } from '@chorale/protocol';

export type InviteState = 'open' | 'used' | 'expired' | 'withdrawn';

/** Whether somebody can still join with it, and if not, why. */
export function inviteState({ withdrawn, expiresAt, used, uses }: Invite, now: number): InviteState {
  if (withdrawn) return 'withdrawn';
  if (used >= uses) return 'used';
  if (expiresAt !== null && expiresAt <= now) return 'expired';
  return 'open';
}
