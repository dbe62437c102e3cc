import { ChoraleError } from '@chorale/protocol';

/**
 * Runs what a config may not fit.
 * @throws {ChoraleError} CONFIG_INVALID, with the words of the RangeError
 */
export async function fitting<Result>(act: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ChoraleError('CONFIG_INVALID', cause.message, { cause });
  }
}
