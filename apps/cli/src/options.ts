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
  const backend = BACKENDS.find((name) => name === value);
  if (!backend) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--backend: expected one of ${BACKENDS.join(', ')}, got ${value}`,
    );
  }
  return backend;
}
