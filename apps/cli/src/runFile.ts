import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import type { RunConfig } from '@chorale/protocol';
import { ChoraleError, parseRunConfig } from '@chorale/protocol';

/** @throws {ChoraleError} CONFIG_INVALID: no file, no JSON, or no run config; the message says where */
export function readRunConfig(path: string): RunConfig {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ChoraleError('CONFIG_INVALID', `${path} cannot be read as JSON: ${why}`, { cause });
  }
  return parseRunConfig(value, basename(path));
}
