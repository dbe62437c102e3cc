import { existsSync, mkdirSync, readFileSync, renameSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ChoraleError } from '@chorale/protocol';
import type { Log } from '../log.ts';
import type { ModelFiles, ServerParts } from '../serverParts.ts';
import type { Hub } from './hub.ts';
import type { HubFile } from './hubFile.ts';
import { downloadHubFile, downloadedBytesOf, isComplete } from './hubFile.ts';
import { askHub, textOf, untilDone } from './hubRequest.ts';
import type { HubReference } from './modelReference.ts';
import { readBytes, requireReadable } from './readBytes.ts';

/** How much of a model is here. */
export type DownloadProgress = (state: { downloadedBytes: number; totalBytes: number }) => void;

export type HubModelOptions = {
  hub: Hub;
  /** The folder in which this server keeps what it downloaded. */
  directory: string;
  /** The commit that a run which goes on was made with; null for a new run, which takes what the revision is by now. */
  keptCommit: string | null;
  neededModelFiles: ServerParts['neededModelFiles'];
  onProgress: DownloadProgress;
  log: Log;
};

/** Where a model really is: a branch may move, a commit does not. */
export type HubSource = { repository: string; revision: string };

/**
 * A model of a hub. Each commit is downloaded once. For a new run the hub is asked which commit the revision is; when it
 * cannot be reached, the one it was when it was last asked is taken. A run that goes on does so with its own commit,
 * whatever becomes of the branch, and without a connection.
 * @throws {ChoraleError} HUB_REFUSED, HUB_UNREACHABLE, MODEL_INVALID, STORE_ERROR
 */
export async function openHubModel(
  reference: HubReference,
  options: HubModelOptions,
): Promise<{ files: ModelFiles; source: HubSource }> {
  const { hub, log, onProgress } = options;
  const { repository } = reference;
  const directory = join(options.directory, ...repository.split('/'));
  const { commit, files } = await commitOf(reference, directory, options);

  const folder = join(directory, commit);
  mkdirSync(folder, { recursive: true });
  const missing: HubFile[] = [];
  for (const file of files) {
    const path = join(folder, file.name);
    if (await isComplete(path, file)) continue;
    if (existsSync(path)) log.warn(`${path} is not what was downloaded any more; it is downloaded again`);
    missing.push(file);
  }
  const totalBytes = missing.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  requireRoom(folder, missing);
  let downloadedBytes = 0;
  for (const file of missing) {
    await downloadHubFile(hub, {
      from: `/${repository}/resolve/${commit}/${encodeURIComponent(file.name)}`,
      file,
      path: join(folder, file.name),
      onBytes: (bytes) => {
        downloadedBytes += bytes;
        onProgress({ downloadedBytes, totalBytes });
      },
    });
  }
  return {
    files: new Map(files.map(({ name }) => [name, readBytes(join(folder, name))])),
    source: { repository, revision: commit },
  };
}

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const infoSchema = z.looseObject({
  sha: hex(40),
  siblings: z.array(z.looseObject({ rfilename: z.string() })),
});
const fileSchema = z.looseObject({
  rfilename: z.string().regex(/^[A-Za-z0-9_][\w.-]*$/, 'expected the name of a file in no folder'),
  size: z.int().min(0),
  blobId: hex(40).optional(),
  lfs: z.looseObject({ sha256: hex(64), size: z.int().min(0) }).optional(),
});
const recordSchema = z.strictObject({
  commit: hex(40),
  files: z.array(
    z.strictObject({
      name: z.string(),
      sizeBytes: z.int().min(0),
      hash: z.strictObject({ algorithm: z.enum(['sha256', 'git-sha1']), hex: z.string() }),
    }),
  ),
});
type HubRecord = z.infer<typeof recordSchema>;

/** A revision that was resolved before need not be again: nobody should wait two minutes to find the hub away. */
const ATTEMPTS_WITH_RECORD = 3;

/** The commit to use, and its files. What the hub says is written down under the names of revision and commit. */
async function commitOf(
  { repository, revision }: HubReference,
  directory: string,
  options: HubModelOptions,
): Promise<HubRecord> {
  const { keptCommit, log } = options;
  const wanted = { repository, revision: keptCommit ?? revision };
  const pathOf = (name: string): string => join(directory, `${encodeURIComponent(name)}.json`);
  const kept = readRecord(pathOf(wanted.revision));
  // A commit is the same for ever
  if (kept?.commit === wanted.revision) {
    log.info(`model ${repository}@${revision} is commit ${kept.commit}, as this data directory has it`);
    return kept;
  }
  let record: HubRecord;
  try {
    record = await resolveRevision(wanted, options, kept ? { mostAttempts: ATTEMPTS_WITH_RECORD } : {});
  } catch (error) {
    if (kept === null || !(error instanceof ChoraleError) || error.code !== 'HUB_UNREACHABLE') throw error;
    log.warn(
      { err: error },
      `the hub cannot be reached; model ${repository}@${revision} is taken as it was when it was last asked, commit ${kept.commit}`,
    );
    return kept;
  }
  if (kept !== null && kept.commit !== record.commit) {
    log.info(`model ${repository}@${revision} was commit ${kept.commit} and is ${record.commit} now`);
  }
  for (const name of new Set([wanted.revision, record.commit])) writeRecord(pathOf(name), record);
  return record;
}

/** Asks the hub which commit a revision is, and what is in it. */
async function resolveRevision(
  { repository, revision }: HubReference,
  { hub, neededModelFiles }: HubModelOptions,
  patience: { mostAttempts?: number },
): Promise<HubRecord> {
  const path = `/api/models/${repository}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const what = `${repository}@${revision}`;
  const text = await untilDone(hub, async () => textOf(await askHub(hub, path, what), what), patience);
  const info = parsed(infoSchema, jsonOf(text), what);
  if (hex(40).safeParse(revision).success && info.sha !== revision) {
    throw new ChoraleError(
      'HUB_REFUSED',
      `expected ${what} to be that commit, ${hub.endpoint} answered with ${info.sha}`,
    );
  }
  const byName = new Map(info.siblings.map((sibling) => [sibling.rfilename, sibling]));
  const files = neededModelFiles([...byName.keys()]).map((name): HubFile => {
    const { size, blobId, lfs } = parsed(fileSchema, byName.get(name), `${name} of ${what}`);
    requireReadable(name, lfs?.size ?? size);
    if (lfs) return { name, sizeBytes: lfs.size, hash: { algorithm: 'sha256', hex: lfs.sha256 } };
    if (blobId) return { name, sizeBytes: size, hash: { algorithm: 'git-sha1', hex: blobId } };
    throw new ChoraleError(
      'HUB_REFUSED',
      `expected ${hub.endpoint} to name a hash of ${name}, it names none`,
    );
  });
  return { commit: info.sha, files };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parsed<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new ChoraleError(
    'HUB_REFUSED',
    `expected a description of ${what} as Hugging Face's hub gives it, got something else (${issue!.path.join('.') || 'no JSON'}: ${issue!.message}). Is HF_ENDPOINT a model hub?`,
  );
}

/** What an earlier start found out; null when there was none, or it cannot be read. */
function readRecord(path: string): HubRecord | null {
  if (!existsSync(path)) return null;
  const record = recordSchema.safeParse(jsonOf(readFileSync(path, 'utf8')));
  return record.success ? record.data : null;
}

function writeRecord(path: string, record: HubRecord): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.draft`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${path}.draft`, path);
}

function requireRoom(directory: string, missing: readonly HubFile[]): void {
  const neededBytes = missing.reduce(
    (sum, { name, sizeBytes }) => sum + sizeBytes - downloadedBytesOf(join(directory, name)),
    0,
  );
  const { bavail, bsize } = statfsSync(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes >= neededBytes) return;
  throw new ChoraleError(
    'STORE_ERROR',
    `expected room for ${Math.ceil(neededBytes / 1e6)} MB of the model in ${directory}, ${Math.floor(freeBytes / 1e6)} MB are free; make room, or choose another --data-dir`,
  );
}
