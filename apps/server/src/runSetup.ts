import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { largestHonestValue } from '@chorale/coordinator';
import type { ResolvedRun, RunConfig, RunPlan } from '@chorale/protocol';
import {
  ChoraleError,
  ENDED_STATUSES,
  canonicalJson,
  hashPlan,
  largestUpdateValue,
  parseRunConfig,
  resolvedRunSchema,
} from '@chorale/protocol';
import type { StoredRun } from '@chorale/store';
import type { DataDirectory } from './dataDirectory.ts';
import type { Log } from './log.ts';
import type { Hub } from './models/hub.ts';
import type { DownloadProgress } from './models/hubModel.ts';
import { openSourceModel } from './models/modelSource.ts';
import { storeModel } from './models/storedModel.ts';
import type { ModelFiles, ServerParts } from './serverParts.ts';

/** Where a run is made, and of what. */
export type RunWorkshop = {
  data: Pick<DataDirectory, 'store' | 'files' | 'hubModelsPath'>;
  parts: ServerParts;
  hub: Hub;
  onDownload: DownloadProgress;
  log: Log;
};

/** Everything a config comes to, before it is a run. */
export type PreparedRun = {
  plan: RunPlan;
  planHash: string;
  /** Adapter version 0, shape [parameterCount]. */
  initialParameters: Float32Array;
  /** Hash of the public test file in the file store; null when there is none. */
  evaluationSha256: string | null;
};

/**
 * Reads a config file and all it names: the model is packed and stored in the pieces that tabs load, the adapter derived
 * from what they load, the noise multiplier calibrated, and the whole hashed. The same inputs give the same plan hash, on
 * every machine. What is in the file store already is mended where it was altered.
 * @param configPath the test file and a model directory are looked up relative to it
 * @throws {ChoraleError} CONFIG_INVALID, MODEL_INVALID, HUB_REFUSED, HUB_UNREACHABLE, STORE_ERROR, or the DATA_ code of
 *   the test file
 */
export async function prepareRun(configPath: string, workshop: RunWorkshop): Promise<PreparedRun> {
  const { parts, data } = workshop;
  const config = parseRunConfig(readJson(configPath), basename(configPath));
  const directory = dirname(resolve(configPath));
  // What is wrong with these is told before a large model is downloaded
  const testFile = readTestFile(config, directory, parts);
  const noiseMultiplier = await fitting(config, () => parts.resolveNoiseMultiplier(config));
  const model = await packedModel(config, directory, workshop);
  const adapter = await fitting(config, () => parts.describeAdapter(model.files, config));
  const plan: RunPlan = {
    config,
    noiseMultiplier,
    model: { ...model, files: storeModel(data.files, model.files) },
    basisHash: adapter.basisHash,
    parameterCount: adapter.parameterCount,
    tensors: adapter.tensors,
    trainedRanges: adapter.trainedRanges,
  };
  requireSendable(plan);
  return {
    plan,
    planHash: await hashPlan(plan),
    initialParameters: adapter.initialParameters,
    evaluationSha256: testFile && data.files.put(testFile),
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

/** Both forms are in memory at once only in here. */
async function packedModel(
  config: RunConfig,
  configDirectory: string,
  { data, parts, hub, onDownload, log }: RunWorkshop,
): Promise<Pick<RunPlan['model'], 'name' | 'source'> & { files: ModelFiles }> {
  const { name, source, files } = await openSourceModel(config.model, configDirectory, {
    hub,
    directory: data.hubModelsPath,
    keptCommit: commitOfGoingRun(config, data.store.listRuns()),
    neededModelFiles: parts.neededModelFiles,
    onProgress: onDownload,
    log,
  });
  return { name, source, files: parts.packModel(files) };
}

/** The commit of a hub that a run of this config, not ended yet, was made with; null when there is no such run. */
function commitOfGoingRun(config: RunConfig, runs: readonly StoredRun[]): string | null {
  const wanted = canonicalJson(config);
  for (const { run, status } of runs.toReversed()) {
    if (ENDED_STATUSES.includes(status)) continue;
    // One of another version is refused where it would be gone on with
    const { data } = resolvedRunSchema.safeParse(run);
    if (data && canonicalJson(data.plan.config) === wanted) return data.plan.model.source?.revision ?? null;
  }
  return null;
}

function readTestFile(config: RunConfig, configDirectory: string, parts: ServerParts): Uint8Array | null {
  if (config.evaluation === undefined) return null;
  const path = resolve(configDirectory, config.evaluation.file);
  if (!existsSync(path)) {
    throw new ChoraleError('CONFIG_INVALID', `evaluation.file: expected a file at ${path}, found none`);
  }
  const bytes = readFileSync(path);
  const { rows } = parts.parseLabelledRows(bytes, basename(path), config.task);
  if (rows.length === 0) {
    throw new ChoraleError('DATA_EMPTY', `evaluation.file: expected labelled rows in ${path}, found none`);
  }
  return bytes;
}

/**
 * Honest updates must fit their encoding: else every tab would spend its epsilon on updates that cannot be sent.
 * @throws {ChoraleError} CONFIG_INVALID
 */
function requireSendable(plan: RunPlan): void {
  const { config } = plan;
  if (config.privacy.unit === 'none') return;
  const { encoding } = config.transport;
  const largest = Math.max(...plan.trainedRanges.map((_, i) => largestHonestValue(plan, i + 1)));
  if (largest <= largestUpdateValue(encoding)) return;
  throw new ChoraleError(
    'CONFIG_INVALID',
    `run "${config.name}": expected noise and clipped gradients that make values up to ${largestUpdateValue(encoding)}, the most that ${encoding} sends; these make up to ${largest.toPrecision(3)}. Lower learningRate, clippingNorm or noiseMultiplier, or raise expectedBatchSize`,
  );
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
