import { ChoraleError } from '@chorale/protocol';

/** Something that must be there is not. */
export function missing(what: string): ChoraleError {
  return new ChoraleError('STORE_ERROR', `expected ${what} to be stored, it is not`);
}

/** Something that must be new is there already. */
export function present(what: string): ChoraleError {
  return new ChoraleError('STORE_ERROR', `expected ${what} to be new, it is stored already`);
}
