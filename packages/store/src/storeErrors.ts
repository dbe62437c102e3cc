import { ChoraleError } from '@chorale/protocol';

/** Something that must be there is not. */
export function missing(what: string): ChoraleError {
  return new ChoraleError('STORE_ERROR', `expected ${what} to be stored, it is not`);
}

/** Something that must be new is there already. */
export function present(what: string): ChoraleError {
  return new ChoraleError('STORE_ERROR', `expected ${what} to be new, it is stored already`);
}

/** The invite of somebody who joins is not there, or was used up or withdrawn since it was looked up. */
export function inviteGone(): ChoraleError {
  return new ChoraleError(
    'INVITE_INVALID',
    'expected an invite that can still be used, it was used up or withdrawn; ask for another one',
  );
}
