import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { ResolvedRun, RunConfig, RunPlan } from '@chorale/protocol';
import { ChoraleError, canonicalJson, hashPlan, parseRunConfig } from '@chorale/protocol';
import { sha256Of } from './fileStore.ts';
import type { LabelledRow, ModelFiles, ServerParts } from './serverParts.ts';

/** The repository's root; embedded models and configs lie under it. */
export const REPOSITORY_ROOT = resolve(import.meta.dirname, '../../..');

/** Everything a config comes to, before it is a run. */
export type PreparedRun = {
  plan: RunPlan;
  planHash: string;
  /** Adapter version 0, shape [parameterCount]. */
  initialParameters: Float32Array;
  modelFiles: ModelFiles;
  evaluation: { bytes: Uint8Array; rows: readonly LabelledRow[] } | null;
};

/**
 * Reads a config file and all it names: the model's files are hashed, A and the parameter count derived, the noise
 * multiplier calibrated, and the whole hashed. The same inputs give the same plan hash, on every machine.
 * @param configPath the test file and a model directory are looked up relative to it
 * @throws {ChoraleError} CONFIG_INVALID, MODEL_INVALID, or the DATA_ code of the test file
 */
export async function prepareRun(configPath: string, parts: ServerParts): Promise<PreparedRun> {
  const config = parseRunConfig(readJson(configPath), basename(configPath));
  const directory = dirname(resolve(configPath));
  const modelFiles = readModel(config.model, directory, parts.modelFileNames);
  const evaluation = readEvaluation(config, directory, parts);
  const adapter = await fitting(config, () => parts.describeAdapter(modelFiles, config));
  const noiseMultiplier = await fitting(config, () => parts.resolveNoiseMultiplier(config));
  const plan: RunPlan = {
    config,
    noiseMultiplier,
    model: describeModel(config.model, modelFiles),
    basisHash: adapter.basisHash,
    parameterCount: adapter.parameterCount,
  };
  return {
    plan,
    planHash: await hashPlan(plan),
    initialParameters: adapter.initialParameters,
    modelFiles,
    evaluation,
  };
}

/** A new run of this plan: its id is readable, and random enough not to be guessed or met twice. */
export function newRun({ plan, planHash }: PreparedRun): ResolvedRun {
  const slug = plan.config.name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 40);
  return { runId: `${slug || 'run'}-${randomBytes(4).toString('hex')}`, plan, planHash };
}

/**
 * The model part of a plan. The address of a file holds a hash over the whole model instead of a run id: the plan must
 * not depend on the run, and a tab that has the model of one run cached has it for all.
 */
function describeModel(model: string, files: ModelFiles): RunPlan['model'] {
  const hashed = [...files].map(([name, bytes]) => ({
    name,
    sizeBytes: bytes.byteLength,
    sha256: sha256Of(bytes),
  }));
  const key = sha256Of(canonicalJson(hashed)).slice(0, 16);
  return {
    name: basename(model),
    files: hashed.map((file) => ({ ...file, path: `/models/${key}/${encodeURIComponent(file.name)}` })),
  };
}

function readModel(model: string, configDirectory: string, fileNames: readonly string[]): ModelFiles {
  if (model.startsWith('hf:')) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected an embedded model's name or a directory, got "${model}": models are not downloaded yet; download it and name the directory`,
    );
  }
  const embedded = /^[a-z0-9][a-z0-9-]*$/.test(model)
    ? resolve(REPOSITORY_ROOT, 'assets/models', model)
    : null;
  const directory = embedded !== null && existsSync(embedded) ? embedded : resolve(configDirectory, model);
  if (!existsSync(directory)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected model "${model}" to be embedded (assets/models) or a directory beside the config, found neither`,
    );
  }
  return new Map(
    fileNames.toSorted().map((name) => {
      const path = resolve(directory, name);
      if (!existsSync(path)) {
        throw new ChoraleError(
          'MODEL_INVALID',
          `expected ${name} in the model directory ${directory}, it is not there`,
        );
      }
      return [name, readFileSync(path)];
    }),
  );
}

function readEvaluation(
  config: RunConfig,
  configDirectory: string,
  parts: ServerParts,
): PreparedRun['evaluation'] {
  if (config.evaluation === undefined) return null;
  const path = resolve(configDirectory, config.evaluation.file);
  if (!existsSync(path)) {
    throw new ChoraleError('CONFIG_INVALID', `evaluation.file: expected a file at ${path}, found none`);
  }
  const bytes = readFileSync(path);
  const { rows } = parts.parseLabelledRows(bytes, basename(path), config.task.labels);
  if (rows.length === 0) {
    throw new ChoraleError('DATA_EMPTY', `evaluation.file: expected labelled rows in ${path}, found none`);
  }
  return { bytes, rows };
}

/** Values that fit the schema but not each other come back as a RangeError of the package that met them. */
async function fitting<T>(config: RunConfig, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ChoraleError('CONFIG_INVALID', `run "${config.name}": ${error.message}`, { cause: error });
  }
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', `expected a run config at ${path}, it cannot be read`, {
      cause,
    });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', `${path}: expected JSON, ${(cause as Error).message}`, {
      cause,
    });
  }
}
