import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ChoraleError, canonicalJson } from '@chorale/protocol';
import { removeAbandoned, writeAtomically } from './atomicFile.ts';
import { PROGRAM } from './numerics.ts';
import type { SimulationInputs } from './simulationInputs.ts';

const IDENTITY_FILE = 'simulation.json';

/** Everything the results of a seed follow from. */
type Identity = Pick<SimulationInputs, 'run' | 'simulation' | 'hashes'> & {
  format: 2;
  program: typeof PROGRAM;
  backend: string;
};

/**
 * Takes a directory for a simulation: a new one, or the one of an earlier start of the same simulation by the same program.
 * Half-written files that a kill left there are removed.
 * @throws {ChoraleError} CONFIG_INVALID: it holds something else
 */
export function claimDirectory(
  directory: string,
  { run, simulation, hashes }: SimulationInputs,
  backend: 'wasm' | 'cpu',
): void {
  const identity: Identity = { format: 2, program: PROGRAM, backend, hashes, run, simulation };
  const path = join(directory, IDENTITY_FILE);
  if (!existsSync(path)) {
    const found = existsSync(directory)
      ? readdirSync(directory).filter((name) => !name.endsWith('.tmp'))
      : [];
    if (found.length > 0) {
      throw new ChoraleError(
        'CONFIG_INVALID',
        `expected a new or empty directory, ${directory} holds ${found.slice(0, 3).join(', ')}; choose another --out`,
      );
    }
    removeAbandoned(directory);
    writeAtomically(path, `${JSON.stringify(identity, null, 2)}\n`);
    return;
  }
  const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<Identity>;
  if (canonicalJson(found.program ?? null) !== canonicalJson(PROGRAM)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `${directory} was begun by ${programInWords(found.program)}, this is ${programInWords(PROGRAM)}: rounds of the two would not ` +
        'be one simulation; choose another --out, or go on with that program',
    );
  }
  const different = firstDifference(identity, found, '');
  if (different !== null) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `${directory} holds another simulation (${different}); choose another --out`,
    );
  }
  removeAbandoned(directory);
}

function programInWords(program: Partial<typeof PROGRAM> | undefined): string {
  return program === undefined
    ? 'a program that did not yet say which numbers it computes'
    : `version ${program.version} with numerics ${program.numerics}`;
}

/** @returns in words, where two JSON values differ first; null: nowhere */
function firstDifference(now: unknown, then: unknown, path: string): string | null {
  if (isRecord(now) && isRecord(then)) {
    for (const key of new Set([...Object.keys(now), ...Object.keys(then)])) {
      const found = firstDifference(now[key], then[key], path === '' ? key : `${path}.${key}`);
      if (found !== null) return found;
    }
    return null;
  }
  const [here, there] = [now, then].map((value) => (value === undefined ? 'nothing' : canonicalJson(value)));
  return here === there ? null : `${path} is ${here}, there ${there}`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
