import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { PublicRun } from '@chorale/protocol';
import { CrashContributor } from './testing/crashContributor.ts';
import { CrashServer, readOutcomes, writeSite } from './testing/crashSite.ts';
import { freePort } from './testing/serverProcess.ts';
import { until } from './testing/until.ts';

/*
 * No room left, for a real server process with its real database: the limit on the size of its files (RLIMIT_FSIZE) is
 * taken down while it serves, and up again.
 */
const CAN_LIMIT = spawnSync('prlimit', ['--version']).status === 0;
if (!CAN_LIMIT) console.warn('SKIPPED: there is no prlimit (util-linux) here, so no disk can be made full');

const COHORT = 3;
const ROUNDS = 3;

let directory: string;
let server: CrashServer;
let contributors: CrashContributor[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-full-'));
  contributors = [];
});
afterEach(async () => {
  for (const contributor of contributors) contributor.stop();
  await server.kill();
  rmSync(directory, { recursive: true, force: true });
});

const limitFiles = (bytes: string): void =>
  void execFileSync('prlimit', ['--pid', String(server.pid), `--fsize=${bytes}:unlimited`]);

it.skipIf(!CAN_LIMIT)('says so to everybody, loses nothing, and goes on when there is room', async () => {
  const { configPaths, dataDir } = writeSite(directory, [
    { rounds: { count: ROUNDS, cohortSize: COHORT, minimumUpdates: COHORT, deadlineSeconds: 600 } },
  ]);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  server = new CrashServer({
    dataDir,
    configPaths,
    port,
    parameterCount: 200_000,
    keepUpdates: 'none',
  });
  const runId = (await server.ready)[0]!;
  const read = async (): Promise<PublicRun> =>
    (await (await fetch(`${url}api/runs/${runId}`)).json()) as PublicRun;
  const { run } = await read();
  limitFiles('65536');
  // One who cannot join is told so, and tries again
  const full = await fetch(`${url}readyz`);
  expect(full.status).toBe(503);
  limitFiles('unlimited');
  for (let k = 0; k < COHORT; k++) {
    const contributor = new CrashContributor(k, url, run, {
      onMoment(moment) {
        // The first round is on its way: nobody's update of it finds room
        if (moment === 'round-started' && contributors.every(({ acknowledged }) => acknowledged.size === 0))
          limitFiles('65536');
      },
    });
    contributors.push(contributor);
  }
  await until(
    () => contributors.every(({ retried }) => retried.filter((code) => code === 'STORE_FULL').length > 1),
    'STORE_FULL for everybody',
  );
  const { state } = await read();
  expect(state).toMatchObject({ status: 'training', round: 1, received: 0 });
  expect(contributors.map(({ acknowledged }) => acknowledged.size)).toEqual([0, 0, 0]);
  limitFiles('unlimited');
  await server.completed(url, [runId]);
  await server.kill();
  const [result] = readOutcomes(join(dataDir, 'chorale.sqlite'), new Map([[runId, contributors]]));
  expect(result).toMatchObject({ refusals: [], lost: [], acknowledged: COHORT * ROUNDS });
  expect(result!.stored).toEqual([0, COHORT, COHORT, COHORT]);
});
