import type { ParseArgsConfig } from 'node:util';
import { parseArgs } from 'node:util';
import type { BackendName } from '@chorale/protocol';
import { BACKENDS, ChoraleError } from '@chorale/protocol';

/**
 * `node:util` parseArgs with the error every command gives for wrong options.
 * @throws {ChoraleError} CONFIG_INVALID
 */
export function parseOptions<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: string[],
  options: Options,
) {
  try {
    return parseArgs({ args, options, strict: true, allowPositionals: false }).values;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ChoraleError('CONFIG_INVALID', `${why} (see --help)`, { cause });
  }
}

/** @throws {ChoraleError} CONFIG_INVALID: not a whole number from `least` */
export function wholeNumber(name: string, value: string, least: number): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < least) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--${name}: expected a whole number from ${least}, got ${value}`,
    );
  }
  return number;
}

/** @throws {ChoraleError} CONFIG_INVALID: none of the four backends */
export function backendName(value: string): BackendName {
  return oneOf('backend', value, BACKENDS);
}

/** @throws {ChoraleError} CONFIG_INVALID: no finite number over 0 */
export function positiveNumber(name: string, value: string): number {
  const number = Number(value);
  if (!(number > 0 && number < Infinity)) {
    throw new ChoraleError('CONFIG_INVALID', `--${name}: expected a number over 0, got ${value}`);
  }
  return number;
}

/**
 * A probability over 0.
 * @param most `1`: may be 1; `under 1`: may not
 * @throws {ChoraleError} CONFIG_INVALID: it is not in that range
 */
export function probability(name: string, value: string, most: '1' | 'under 1'): number {
  const number = Number(value);
  if (!(number > 0 && (most === '1' ? number <= 1 : number < 1))) {
    const range = most === '1' ? 'over 0 and up to 1' : 'between 0 and 1';
    throw new ChoraleError('CONFIG_INVALID', `--${name}: expected a number ${range}, got ${value}`);
  }
  return number;
}

/** @throws {ChoraleError} CONFIG_INVALID: none of the values */
export function oneOf<Value extends string>(name: string, value: string, values: readonly Value[]): Value {
  const found = values.find((known) => known === value);
  if (found === undefined) {
    throw new ChoraleError('CONFIG_INVALID', `--${name}: expected one of ${values.join(', ')}, got ${value}`);
  }
  return found;
}

/** A backend that runs without a browser. @throws {ChoraleError} CONFIG_INVALID */
export function nodeBackend(value: string): 'wasm' | 'cpu' {
  const backend = backendName(value);
  if (backend === 'wasm' || backend === 'cpu') return backend;
  throw new ChoraleError(
    'CONFIG_INVALID',
    `--backend ${backend} needs a browser; this process can use wasm or cpu`,
  );
}

/**
 * The value of an option that a command cannot do without.
 * @throws {ChoraleError} CONFIG_INVALID, with the command's usage
 */
export function required(name: string, value: string | undefined, usage: string): string {
  if (value === undefined) throw new ChoraleError('CONFIG_INVALID', `expected --${name}\n\n${usage}`);
  return value;
}

/**
 * Runs what an accountant may refuse.
 * @throws {ChoraleError} CONFIG_INVALID, with the accountant's words
 */
export function refusedByAccountant<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ChoraleError('CONFIG_INVALID', cause.message, { cause });
  }
}
