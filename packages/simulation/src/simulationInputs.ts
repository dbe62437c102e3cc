import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { ChoraleError, canonicalJson } from '@chorale/protocol';
import type { LabelledRow, ModelFiles } from '@chorale/trainer';
import { neededModelFiles, packModel, parseLabelledRows } from '@chorale/trainer';
import type { SimulationConfig } from './simulationConfig.ts';
import { parseSimulationConfig } from './simulationConfig.ts';

/** Models that come with the program. */
const EMBEDDED_MODELS = resolve(import.meta.dirname, '../../../assets/models');

/** A config and all it names, read. */
export type SimulationInputs = SimulationConfig & {
  /** As tabs would get it. */
  files: ModelFiles;
  trainRows: LabelledRow[];
  /** null: the run has no evaluation.file. */
  testRows: LabelledRow[] | null;
  /** SHA-256 of what was read, in hexadecimal. */
  hashes: { model: string; train: string; test: string | null };
};

/**
 * Reads a config file and all it names.
 * @param configPath the files it names are looked up relative to it
 * @throws {ChoraleError} CONFIG_INVALID or a DATA_ code; {ModelError} MODEL_INVALID
 */
export function readSimulationInputs(configPath: string): SimulationInputs {
  const config = parseSimulationConfig(readJson(configPath), basename(configPath));
  const directory = dirname(resolve(configPath));
  const { task, evaluation, model } = config.run;
  const rowsOf = (field: string, name: string) => {
    const bytes = readNamed(field, resolve(directory, name));
    return { rows: parseLabelledRows(bytes, basename(name), task).rows, sha256: sha256(bytes) };
  };
  const train = rowsOf('simulation.train', config.simulation.train);
  const test = evaluation === undefined ? null : rowsOf('evaluation.file', evaluation.file);
  const files = readModel(model, directory);
  const fileHashes = [...files].map(([name, bytes]) => [name, sha256(bytes)]);
  return {
    ...config,
    files,
    trainRows: train.rows,
    testRows: test?.rows ?? null,
    hashes: {
      model: sha256(canonicalJson(fileHashes)),
      train: train.sha256,
      test: test?.sha256 ?? null,
    },
  };
}

/** Not only a path's last part is checked: a directory with that name beside the config would do as well. */
function readModel(model: string, configDirectory: string): ModelFiles {
  if (model.startsWith('hf:')) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `model: a simulation uses no network; download ${model.slice(3)} and name its directory`,
    );
  }
  const candidates = [resolve(configDirectory, model)];
  if (/^[a-z0-9][a-z0-9-]*$/.test(model)) candidates.unshift(resolve(EMBEDDED_MODELS, model));
  const directory = candidates.find((path) => existsSync(path) && statSync(path).isDirectory());
  if (directory === undefined) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `model: expected "${model}" to be embedded (assets/models) or a directory beside the config, found neither`,
    );
  }
  const names = neededModelFiles(readdirSync(directory));
  return packModel(
    new Map(names.map((name) => [name, new Uint8Array(readFileSync(resolve(directory, name)))])),
  );
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ChoraleError('CONFIG_INVALID', `${path} cannot be read as JSON: ${why}`, { cause });
  }
}

function readNamed(field: string, path: string): Uint8Array {
  if (!existsSync(path)) {
    throw new ChoraleError('CONFIG_INVALID', `${field}: expected a file at ${path}, found none`);
  }
  return new Uint8Array(readFileSync(path));
}

function sha256(content: Uint8Array | string): string {
  return createHash('sha256').update(content).digest('hex');
}
