import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { ModelFiles } from '@chorale/model';
import { ChoraleError } from '@chorale/protocol';

const EMBEDDED_MODELS = resolve(import.meta.dirname, '../../../assets/models');

/** A directory of this machine and the names of the files at its top level. */
export type Directory = { name: string; path: string; fileNames: string[] };

/**
 * Takes DIR off the front of a command's arguments.
 * @throws {ChoraleError} CONFIG_INVALID: it is missing
 */
export function takeDirectory(
  [first, ...rest]: string[],
  usage: string,
): [directory: string, rest: string[]] {
  if (first === undefined || first.startsWith('-')) {
    throw new ChoraleError('CONFIG_INVALID', `expected a model directory\n\n${usage}`);
  }
  return [first, rest];
}

/**
 * Finds a model's directory.
 * @param model the name of an embedded model, or a path
 * @throws {ChoraleError} CONFIG_INVALID: there is none
 */
export function findModel(model: string): Directory {
  if (model.startsWith('hf:')) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected a directory, got ${model}: "chorale serve" loads models of a hub, this command reads what is on this machine`,
    );
  }
  const embedded = /^[a-z0-9][a-z0-9-]*$/.test(model) ? resolve(EMBEDDED_MODELS, model) : null;
  return directoryAt(embedded !== null && existsSync(embedded) ? embedded : resolve(model), model);
}

/** @throws {ChoraleError} CONFIG_INVALID: no directory */
export function directoryAt(path: string, asked = path): Directory {
  if (!existsSync(path) || !statSync(path).isDirectory()) {
    throw new ChoraleError('CONFIG_INVALID', `expected ${asked} to be a directory, found none there`);
  }
  const fileNames = readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name);
  return { name: basename(path), path, fileNames };
}

/** @throws {ChoraleError} MODEL_INVALID: a file cannot be read */
export function readFiles({ path }: Directory, names: readonly string[]): ModelFiles {
  return new Map(
    names.map((name) => {
      try {
        return [name, new Uint8Array(readFileSync(resolve(path, name)))];
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new ChoraleError('MODEL_INVALID', `${name} cannot be read: ${why}`, { cause });
      }
    }),
  );
}
