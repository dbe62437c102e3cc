import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSqliteStore } from '@chorale/store';
import { parseBackupOptions, runBackup } from './backupCommand.ts';
import { databasePathOf, filesPathOf, hubPathOf } from './dataDirectory.ts';
import { sha256Of } from './fileStore.ts';
import { INITIAL_PARAMETERS, TestSite, getRun, until } from './testServer.fixture.ts';

const BACKUP_PROGRAM = fileURLToPath(new URL('./backup.ts', import.meta.url));
const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 0.5, 1];

let site: TestSite;
let out: string;
beforeEach(() => {
  site = new TestSite({ rounds: { count: 40, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 60 } });
  out = join(site.directory, 'backup');
});
afterEach(async () => {
  await site.clean();
});

async function backedUp(...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  const command = parseBackupOptions(['--data-dir', site.dataDir, '--out', out, ...args]);
  await runBackup(command, (line) => lines.push(line));
  return lines;
}

/** The command as operators run it: in a process of its own. */
function backUpInProcess(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((done) => {
    const all = [BACKUP_PROGRAM, '--data-dir', site.dataDir, '--out', out, ...args];
    const child = execFile(process.execPath, all, (_error, stdout, stderr) =>
      done({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

it('copies a server that goes on training; one that starts on the copy goes on from there', async () => {
  const server = await site.start();
  const [a, b] = await site.joined(server, 2);
  let round = 0;
  const trainRound = async (): Promise<void> => {
    round += 1;
    await a!.round(round);
    expect(await a!.send(round, U1)).toMatchObject({ ok: true });
    await b!.round(round);
    expect(await b!.send(round, U2)).toMatchObject({ ok: true });
  };
  for (let k = 0; k < 3; k += 1) await trainRound();
  const progress = { done: false };
  const copying = backUpInProcess('--json').finally(() => (progress.done = true));
  for (let k = 0; k < 33 && !progress.done; k += 1) await trainRound();
  const { code, stdout, stderr } = await copying;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { files: { files: number } };
  expect(report.files.files).toBe(readdirSync(filesPathOf(site.dataDir)).length);
  expect(round).toBeGreaterThan(4); // it was not idle
  await site.stop(server);

  // Restoring: the data directory is lost, and the copy of a backup takes its place
  rmSync(site.dataDir, { recursive: true });
  cpSync(out, site.dataDir, { recursive: true });
  const store = openSqliteStore(databasePathOf(site.dataDir));
  const records = store.listRecords(server.runId);
  const { adapterVersion, parameters } = store.latestAdapter(server.runId);
  const received = store.receivedContributors(server.runId, adapterVersion + 1);
  store.close();
  expect(adapterVersion).toBeGreaterThanOrEqual(3);
  expect(adapterVersion).toBeLessThanOrEqual(round);
  expect(records.at(-1)).toMatchObject({ round: adapterVersion, received: 2 });
  // As if the rounds up to there had been all
  let expected = Float64Array.from(INITIAL_PARAMETERS);
  for (let k = 0; k < adapterVersion; k += 1) {
    expected = expected.map((value, i) => value + (Math.fround(U1[i]!) + Math.fround(U2[i]!)) / 2);
  }
  expect(parameters).toEqual(expected);

  const restored = await site.start();
  expect(restored.runId).toBe(server.runId);
  const rejoined = [];
  for (const one of [a!, b!]) {
    const again = await site.contributor(restored);
    again.identity = one.identity;
    await again.joinOrThrow();
    rejoined.push(again);
  }
  // The copy may be of a moment between rounds: then the next one starts now that both are there
  await until(async () => {
    const { state } = await getRun(restored);
    return state.round > adapterVersion + 1 || (state.round === adapterVersion + 1 && state.cohort === 2);
  }, 'the round after the copied one');
  for (const [i, values] of [U1, U2].entries()) {
    const again = rejoined[i]!;
    expect(await again.send(adapterVersion + 1, values)).toMatchObject({
      ok: true,
      value: { duplicate: received.includes(again.identity!.contributorId) },
    });
  }
});

it('copies files under their hash, models of a hub when told, and no lock and no draft', async () => {
  await site.stop(await site.start());
  const model = join(hubPathOf(site.dataDir), 'someone/model/weights.bin');
  mkdirSync(dirname(model), { recursive: true });
  writeFileSync(model, 'weights');
  writeFileSync(`${model}.draft`, 'half');
  writeFileSync(join(filesPathOf(site.dataDir), `${sha256Of('x')}.draft`), 'half');
  const names = readdirSync(filesPathOf(site.dataDir)).filter((name) => !name.endsWith('.draft'));
  const lines = await backedUp();
  expect(readdirSync(out).toSorted()).toEqual(['chorale.sqlite', 'files']);
  expect(readdirSync(filesPathOf(out)).toSorted()).toEqual(names.toSorted());
  for (const name of names) expect(sha256Of(readFileSync(join(filesPathOf(out), name)))).toBe(name);
  expect(lines.join('\n')).toContain(`Files of runs: ${names.length} (`);

  rmSync(out, { recursive: true });
  const more = await backedUp('--with-hub', '--json');
  expect(readFileSync(join(hubPathOf(out), 'someone/model/weights.bin'), 'utf8')).toBe('weights');
  expect(existsSync(join(hubPathOf(out), 'someone/model/weights.bin.draft'))).toBe(false);
  expect(JSON.parse(more.at(-1)!)).toMatchObject({ out, hub: { files: 1, bytes: 7 } });
});

it('refuses a file that was altered, and leaves no half of a backup', async () => {
  await site.stop(await site.start());
  const [name] = readdirSync(filesPathOf(site.dataDir));
  writeFileSync(join(filesPathOf(site.dataDir), name!), 'altered');
  await expect(backedUp()).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringContaining(name!) as string,
  });
  expect(readdirSync(site.directory).filter((entry) => entry.startsWith('backup'))).toEqual([]);
});

it('refuses a folder that is there, and a directory that no server had', async () => {
  await site.stop(await site.start());
  mkdirSync(out);
  await expect(backedUp()).rejects.toThrow(/--out: expected a new folder/);
  rmSync(out, { recursive: true });
  rmSync(site.dataDir, { recursive: true });
  await expect(backedUp()).rejects.toThrow(/expected the data directory of a server/);
  expect(() => parseBackupOptions(['--data-dir', 'x'])).toThrow(/expected --out/);
  expect(() => parseBackupOptions(['--to', 'x'])).toThrow(/--help/);
});

it('is needed again when the database is gone and files are left: no server starts from zero there', async () => {
  await site.stop(await site.start());
  rmSync(databasePathOf(site.dataDir));
  await expect(site.start()).rejects.toMatchObject({
    code: 'STORE_DAMAGED',
    message: expect.stringMatching(/none beside files of earlier runs; restore a backup/) as string,
  });
  expect(existsSync(databasePathOf(site.dataDir))).toBe(false);
});
