import type { BackendName, Handshake, Identity, ResolvedRun } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { hashToken, isContributor, newContributorId } from '../identity.ts';
import { isUsable } from './invites.ts';

/** Somebody who may become a contributor of the run, with the secret she made, by an invite where the run takes one. */
export type Newcomer = { newToken: string; inviteId: string | null };

/** Whom a handshake proved: a contributor with her secret, or somebody new. */
export type Who = Identity | Newcomer;

/**
 * Decides who may open a socket to a run. Contributors need no invite any more, so withdrawing one shuts nobody out who
 * is in; who joined with her secret and never heard the answer is one, and needs no second one.
 * @throws {ChoraleError} IDENTITY_INVALID, INVITE_REQUIRED, INVITE_INVALID
 */
export function admit(
  store: Store,
  { runId, plan }: ResolvedRun,
  { identity, newToken, invite }: Handshake,
  nowMs: number,
): Who {
  if (identity !== undefined) {
    if (isContributor(store, runId, identity)) return identity;
    throw new ChoraleError(
      'IDENTITY_INVALID',
      `expected the token of contributor ${identity.contributorId} in this run, got another; join without an identity to start as somebody new`,
    );
  }
  // The schema asks for one of the two
  if (newToken === undefined) throw new ChoraleError('MESSAGE_INVALID', 'expected an identity or a newToken');
  const known = knownBy(store, runId, newToken);
  if (known !== null) return known;
  if (plan.config.access === 'open') return { newToken, inviteId: null };
  if (invite === undefined) {
    throw new ChoraleError(
      'INVITE_REQUIRED',
      'this run takes only contributors who were invited; open the link of an invitation',
    );
  }
  const found = store.findInvite(runId, hashToken(invite), nowMs);
  if (found === undefined) throw inviteInvalid();
  return { newToken, inviteId: found.inviteId };
}

/** The contributor of this run who has made this secret; null when nobody has joined with it. */
export function knownBy(store: Store, runId: string, newToken: string): Identity | null {
  const contributorId = store.findContributor(runId, hashToken(newToken));
  return contributorId === undefined ? null : { contributorId, token: newToken };
}

/**
 * Makes somebody new a contributor, and counts the use of her invite in the same transaction. The invite was good as her
 * socket opened; others may have used it up since. Her secret must not be known yet, see `knownBy`.
 * @throws {ChoraleError} INVITE_REQUIRED, INVITE_INVALID
 */
export function enrol(
  store: Store,
  { runId, plan }: ResolvedRun,
  { newToken, inviteId }: Newcomer,
  backend: BackendName,
  nowMs: number,
): Identity {
  if (plan.config.access === 'invite') {
    if (inviteId === null) {
      throw new ChoraleError('INVITE_REQUIRED', 'this run takes only contributors who were invited');
    }
    // Nothing happens between this look and the transaction: both are synchronous
    const invite = store.listInvites(runId).find((one) => one.inviteId === inviteId);
    if (invite === undefined || !isUsable(invite, nowMs)) throw inviteInvalid();
  }
  const contributorId = newContributorId();
  store.addContributor(
    runId,
    { contributorId, tokenHash: hashToken(newToken), backend },
    inviteId ?? undefined,
  );
  return { contributorId, token: newToken };
}

function inviteInvalid(): ChoraleError {
  return new ChoraleError(
    'INVITE_INVALID',
    'expected an invite code that is unused, not expired and not withdrawn; ask for a new one',
  );
}
