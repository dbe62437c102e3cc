import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ChoraleError, resolvedRunSchema } from '@chorale/protocol';
import type { Store, StoredRun } from '@chorale/store';
import { openSqliteStore } from '@chorale/store';
import { databasePathOf, filesPathOf } from './dataDirectory.ts';
import { openFileStore } from './fileStore.ts';
import { exportAdapter } from './runs/adapterExport.ts';
import { RunEpsilons } from './runs/runEpsilons.ts';
import type { ServerParts } from './serverParts.ts';

export const EXPORT_USAGE = `chorale export --data-dir DIR --run ID --out DIR [--force] [--json]

Writes the newest global adapter of a run as Hugging Face PEFT loads it, with a README that says how it was protected:
the same files as the download of the admin page. A server may have the data directory open meanwhile.

  --data-dir DIR   of the server (default .data)
  --run ID         without it the runs in the data directory are listed
  --out DIR        where the files go: a new or empty folder
  --force          into a folder that has files, over those of the same name
  --json           one JSON object on the last line
`;

export type ExportCommand = {
  dataDir: string;
  runId: string | undefined;
  out: string | undefined;
  force: boolean;
  json: boolean;
};

/** @throws {ChoraleError} CONFIG_INVALID */
export function parseExportOptions(args: string[]): ExportCommand {
  try {
    const { values } = parseArgs({
      args,
      options: {
        'data-dir': { type: 'string', default: '.data' },
        run: { type: 'string' },
        out: { type: 'string' },
        force: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
    const { run: runId, out, force, json } = values;
    return { dataDir: resolve(values['data-dir']), runId, out: out && resolve(out), force, json };
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', `${(cause as Error).message} (see --help)`, { cause });
  }
}

/**
 * Exports one run of a data directory, or lists its runs when none is named.
 * @param print one line of output
 * @throws {ChoraleError} CONFIG_INVALID, RUN_UNKNOWN, STORE_ERROR
 */
export async function runExport(
  command: ExportCommand,
  parts: ServerParts,
  print: (line: string) => void,
): Promise<void> {
  const { dataDir, runId, out, json } = command;
  if (!existsSync(databasePathOf(dataDir))) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--data-dir: expected the data directory of a server, ${dataDir} is none`,
    );
  }
  const store = openSqliteStore(databasePathOf(dataDir));
  try {
    const runs = store.listRuns();
    if (runId === undefined) {
      if (out !== undefined) {
        throw new ChoraleError('CONFIG_INVALID', `expected --run with --out: ${idsOf(runs)}`);
      }
      listRuns(runs, store, json, print);
      return;
    }
    const stored = runs.find(({ run }) => run.runId === runId);
    if (stored === undefined) {
      throw new ChoraleError(
        'RUN_UNKNOWN',
        `--run: expected a run of ${dataDir} (${idsOf(runs)}), got ${runId}`,
      );
    }
    await exportRun(stored, store, { ...command, parts, print });
  } finally {
    store.close();
  }
}

async function exportRun(
  stored: StoredRun,
  store: Store,
  {
    dataDir,
    out,
    force,
    json,
    parts,
    print,
  }: ExportCommand & { parts: ServerParts; print: (line: string) => void },
): Promise<void> {
  if (out === undefined) throw new ChoraleError('CONFIG_INVALID', `expected --out\n\n${EXPORT_USAGE}`);
  if (!force && existsSync(out) && readdirSync(out).length > 0) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--out: expected a new or empty folder, ${out} has files; name another one, or add --force`,
    );
  }
  const read = resolvedRunSchema.safeParse(stored.run);
  if (!read.success) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected a run of this version of Chorale, ${stored.run.runId} is of another one; export it with that version`,
    );
  }
  const run = read.data;
  const { adapterVersion, files } = await exportAdapter(run, {
    data: { store, files: openFileStore(filesPathOf(dataDir)) },
    parts,
    epsilons: new RunEpsilons(
      run.plan.config.privacy.unit === 'none'
        ? null
        : (rounds, urgency) => parts.priceRounds(run.plan, rounds, urgency),
    ),
  });
  mkdirSync(out, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(out, name), bytes);
  const names = [...files.keys()];
  print(`Version ${adapterVersion} of run ${run.runId}: ${names.join(', ')} in ${out}`);
  if (json) print(JSON.stringify({ runId: run.runId, adapterVersion, out, files: names }));
}

function listRuns(
  runs: readonly StoredRun[],
  store: Store,
  json: boolean,
  print: (line: string) => void,
): void {
  const listed = runs.map(({ run: { runId, plan }, status }) => ({
    runId,
    name: plan.config.name,
    status,
    adapterVersion: store.latestAdapter(runId).adapterVersion,
  }));
  if (listed.length === 0) print('No runs.');
  for (const { runId, name, status, adapterVersion } of listed) {
    print(`${runId}  ${status}, adapter version ${adapterVersion}  "${name}"`);
  }
  if (json) print(JSON.stringify({ runs: listed }));
}

function idsOf(runs: readonly StoredRun[]): string {
  return runs.map(({ run }) => run.runId).join(', ') || 'it has none';
}
