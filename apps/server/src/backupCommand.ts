import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  createReadStream,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { ChoraleError } from '@chorale/protocol';
import { backupDatabase } from '@chorale/store';
import { databasePathOf, filesPathOf, hubPathOf } from './dataDirectory.ts';

export const BACKUP_USAGE = `chorale backup --data-dir DIR --out DIR [--with-hub] [--json]

Copies the data directory of a server, as it is at one moment; the server may run and write meanwhile. Restoring is
starting a server of the same or a newer release with --data-dir on a copy of the backup.
A backup holds what the data directory holds: hashes of tokens, and updates as they arrived. Keep it as safe.

  --data-dir DIR   of the server (default .data)
  --out DIR        where the copy goes: a folder that is not there yet
  --with-hub       with the models that were downloaded from a hub; without, a server downloads them again when it needs
                   them: runs have their own copies
  --json           one JSON object on the last line
`;

export type BackupCommand = { dataDir: string; out: string; withHub: boolean; json: boolean };

/** @throws {ChoraleError} CONFIG_INVALID */
export function parseBackupOptions(args: string[]): BackupCommand {
  try {
    const { values } = parseArgs({
      args,
      options: {
        'data-dir': { type: 'string', default: '.data' },
        out: { type: 'string' },
        'with-hub': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const { out, json } = values;
    if (out === undefined) throw new Error('expected --out: where the copy goes');
    return { dataDir: resolve(values['data-dir']), out: resolve(out), withHub: values['with-hub'], json };
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', `${(cause as Error).message} (see --help)`, { cause });
  }
}

/** How much of one kind was copied. */
type Copied = { files: number; bytes: number };

/**
 * Copies a data directory. Under its name a backup is whole and on the disk: it is built beside, and renamed.
 * @param print one line of output
 * @throws {ChoraleError} CONFIG_INVALID; STORE_DAMAGED or STORE_ERROR when something in it is not what it must be;
 *   STORE_FULL
 */
export async function runBackup(
  { dataDir, out, withHub, json }: BackupCommand,
  print: (line: string) => void,
): Promise<void> {
  if (!existsSync(databasePathOf(dataDir))) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--data-dir: expected the data directory of a server, ${dataDir} is none`,
    );
  }
  if (existsSync(out)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--out: expected a new folder, ${out} is there; name another one`,
    );
  }
  const part = `${out}.part-${process.pid}`;
  let database: Copied;
  let files: Copied;
  let hub: Copied | null;
  try {
    mkdirSync(part, { recursive: true });
    // The database first: a run's files are there before its row, and none goes, so the copy has all that it names
    await backupDatabase(databasePathOf(dataDir), databasePathOf(part));
    database = { files: 1, bytes: statSync(databasePathOf(part)).size };
    files = await copyFolder(filesPathOf(dataDir), filesPathOf(part), checkHash);
    hub = withHub ? await copyFolder(hubPathOf(dataDir), hubPathOf(part), null) : null;
    syncFolder(part);
    renameSync(part, out);
    syncFolder(dirname(out));
  } catch (error) {
    throw backupFailure(error, out);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
  print(`Database: ${database.bytes} bytes, whole`);
  print(`Files of runs: ${files.files} (${files.bytes} bytes), each with the hash it is named by`);
  if (hub) print(`Downloaded models: ${hub.files} files (${hub.bytes} bytes)`);
  print(`Backup in ${out}. To restore: copy it, and start a server with --data-dir on the copy.`);
  if (json) print(JSON.stringify({ out, database, files, hub }));
}

/**
 * Copies what stands in a folder and the folders in it; drafts, which are being written or were left, stay behind.
 * @param check refuses a copy that is not what its name says; null where names say nothing
 */
async function copyFolder(
  from: string,
  to: string,
  check: ((copy: string, original: string, name: string) => Promise<void>) | null,
): Promise<Copied> {
  const copied = { files: 0, bytes: 0 };
  mkdirSync(to);
  const entries = existsSync(from) ? readdirSync(from, { withFileTypes: true }) : [];
  for (const entry of entries) {
    const { name } = entry;
    const [original, copy] = [join(from, name), join(to, name)];
    if (entry.isDirectory()) {
      const { files, bytes } = await copyFolder(original, copy, check);
      copied.files += files;
      copied.bytes += bytes;
    } else if (entry.isFile() && !name.endsWith('.draft')) {
      copyFileSync(original, copy);
      await check?.(copy, original, name);
      syncFile(copy);
      copied.files += 1;
      copied.bytes += statSync(copy).size;
    }
  }
  syncFolder(to);
  return copied;
}

async function checkHash(copy: string, original: string, name: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(copy), hash);
  const found = hash.digest('hex');
  if (found === name) return;
  throw new ChoraleError(
    'STORE_DAMAGED',
    `expected the bytes of SHA-256 ${name} at ${original}, they have ${found}: the file was altered. Start the server once with the config of the run it belongs to, which stores it again, or restore it from an earlier backup`,
  );
}

function backupFailure(error: unknown, out: string): unknown {
  if (error instanceof ChoraleError || !(error instanceof Error)) return error;
  const full = 'code' in error && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String(error.code));
  return new ChoraleError(
    full ? 'STORE_FULL' : 'STORE_ERROR',
    full
      ? `expected room for a backup at ${out}, there is too little; make room, or name another disk`
      : `could not write a backup to ${out}: ${error.message}`,
    { cause: error },
  );
}

function syncFile(path: string): void {
  syncDescriptor(openSync(path, 'r+'));
}

function syncFolder(path: string): void {
  syncDescriptor(openSync(path, 'r'));
}

function syncDescriptor(descriptor: number): void {
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
