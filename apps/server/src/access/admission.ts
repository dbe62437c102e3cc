import type { BackendName, Handshake, Identity, ResolvedRun } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { hashToken, isContributor, newIdentity } from '../identity.ts';
import { isUsable } from './invites.ts';

/** What a handshake proved: a contributor of the run, or somebody who may become one, by an invite where it takes one. */
export type Admission = { contributorId: string | null; inviteId: string | null };

/** Somebody who has no identity in the run yet. */
export type Newcomer = { inviteId: string | null };

/** Who joins: a proved contributor with her secret, or somebody new. */
export type Who = Identity | Newcomer;

/**
 * Decides who may open a socket to a run. Contributors need no invite any more, so withdrawing one shuts nobody out who
 * is in.
 * @throws {ChoraleError} IDENTITY_INVALID, INVITE_REQUIRED, INVITE_INVALID
 */
export function admit(
  store: Store,
  { runId, plan }: ResolvedRun,
  { identity, invite }: Handshake,
  nowMs: number,
): Admission {
  if (identity !== undefined) {
    if (isContributor(store, runId, identity)) {
      return { contributorId: identity.contributorId, inviteId: null };
    }
    throw new ChoraleError(
      'IDENTITY_INVALID',
      `expected the token of contributor ${identity.contributorId} in this run, got another; join without an identity to start as somebody new`,
    );
  }
  if (plan.config.access === 'open') return { contributorId: null, inviteId: null };
  if (invite === undefined) {
    throw new ChoraleError(
      'INVITE_REQUIRED',
      'this run takes only contributors who were invited; open the link of an invitation',
    );
  }
  const found = store.findInvite(runId, hashToken(invite), nowMs);
  if (found === undefined) throw inviteInvalid();
  return { contributorId: null, inviteId: found.inviteId };
}

/**
 * Makes somebody new a contributor, and counts the use of her invite in the same transaction. The invite was good as her
 * socket opened; others may have used it up since.
 * @throws {ChoraleError} INVITE_REQUIRED, INVITE_INVALID
 */
export function enrol(
  store: Store,
  { runId, plan }: ResolvedRun,
  { inviteId }: Newcomer,
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
  const { contributorId, token, tokenHash } = newIdentity();
  store.addContributor(runId, { contributorId, tokenHash, backend }, inviteId ?? undefined);
  return { contributorId, token };
}

function inviteInvalid(): ChoraleError {
  return new ChoraleError(
    'INVITE_INVALID',
    'expected an invite code that is unused, not expired and not withdrawn; ask for a new one',
  );
}
