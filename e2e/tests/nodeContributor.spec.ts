import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { act, fetchDetail } from '../support/adminApi.ts';
import { lastLineOf, runCli } from '../support/cli.ts';
import { SMALL_RUN, csvRows, fetchRun, untilRun } from '../support/runs.ts';
import type { Serving } from '../support/test.ts';
import { expect, test } from '../support/test.ts';

/** Writes a file of rows and contributes it from a process of its own, with a ledger that belongs to the file. */
function contributeFile(serving: Serving, name: string, rows: string, ...more: string[]) {
  const path = join(serving.server.directory, name);
  writeFileSync(path, rows);
  const from = [
    '--server',
    serving.contributeUrl,
    '--data',
    path,
    '--ledger',
    `${path}.ledger`,
    '--model-cache',
    'none',
  ];
  return runCli(['contribute', ...from, '--json', ...more]);
}

test('two processes complete a run of two rounds', async ({ serve }) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { count: 2, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
  });
  const results = await Promise.all([
    contributeFile(serving, 'one.csv', csvRows(20), '--backend', 'wasm'),
    contributeFile(serving, 'two.csv', csvRows(24), '--backend', 'wasm'),
  ]);
  const { state, rounds } = await fetchRun(serving.contributeUrl);
  expect(state.status).toBe('completed');
  expect(rounds.map(({ round, received }) => [round, received])).toEqual([
    [0, 0],
    [1, 2],
    [2, 2],
  ]);
  for (const result of results) {
    expect(result).toMatchObject({ exitCode: 0, stderr: '' });
    expect(lastLineOf(result)).toMatchObject({
      ended: { status: 'stopped', because: 'run-completed' },
      acceptedRounds: 2,
      privacyUnit: 'example',
      spentEpsilon: rounds[2]!.spentEpsilon,
    });
  }
  const { contributors } = await fetchDetail(serving);
  expect(contributors.map(({ backend, rounds: count }) => [backend, count])).toEqual([
    ['wasm', 2],
    ['wasm', 2],
  ]);
});

test('a limit below the cost of two rounds ends a contributor after one, and the run waits for others', async ({
  serve,
}) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { count: 2, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 120 },
  });
  const { plannedEpsilon } = await fetchDetail(serving);
  const limit = 0.99 * plannedEpsilon!;
  const result = await contributeFile(serving, 'rows.csv', csvRows(20), '--epsilon-limit', String(limit));
  expect(result).toMatchObject({ exitCode: 0, stderr: '' });
  const { rounds } = await untilRun(serving.contributeUrl, ({ state }) => state.status === 'recruiting');
  expect(rounds).toHaveLength(2);
  expect(rounds[1]).toMatchObject({ round: 1, received: 1 });
  expect(rounds[1]!.spentEpsilon).toBeLessThan(limit);
  expect(lastLineOf(result)).toMatchObject({
    ended: { status: 'reading', because: 'epsilon-limit' },
    acceptedRounds: 1,
    spentEpsilon: rounds[1]!.spentEpsilon,
  });

  // The next process has the same ledger and the same limits, which it need not name again; other rows change nothing
  const again = await contributeFile(serving, 'rows.csv', csvRows(30));
  expect(again).toMatchObject({ exitCode: 0, stderr: '' });
  expect(lastLineOf(again)).toMatchObject({
    ended: { status: 'reading', because: 'epsilon-limit' },
    acceptedRounds: 1,
    spentEpsilon: rounds[1]!.spentEpsilon,
  });
  expect((await fetchDetail(serving)).contributors).toMatchObject([{ rounds: 1, chargedRounds: 1 }]);
  await act(serving, 'stop');
  expect((await fetchRun(serving.contributeUrl)).state).toMatchObject({
    status: 'stopped',
    adapterVersion: 1,
  });
});

test('a plan outside of the own limits is refused before joining; a second process with the same ledger waits', async ({
  serve,
}) => {
  const serving = await serve({
    ...SMALL_RUN,
    rounds: { count: 2, cohortSize: 2, minimumUpdates: 2, deadlineSeconds: 120 },
  });
  const noise = await contributeFile(serving, 'rows.csv', csvRows(20), '--least-noise-multiplier', '1.5');
  expect(noise).toMatchObject({ exitCode: 1, stdout: '' });
  expect(noise.stderr).toMatch(
    /^LIMITS_EXCEEDED: You ask for a noise multiplier of at least 1\.5, .* only 1\. /,
  );
  const epsilon = await contributeFile(serving, 'rows.csv', csvRows(20), '--epsilon-limit', '0.01');
  expect(epsilon).toMatchObject({ exitCode: 1, stdout: '' });
  expect(epsilon.stderr).toMatch(
    /^LIMITS_EXCEEDED: You allow an epsilon of at most 0\.01, one round .* costs/,
  );
  const rounds = await contributeFile(serving, 'rows.csv', csvRows(20), '--most-rounds', '0');
  expect(rounds.stderr).toBe('CONFIG_INVALID: --most-rounds: expected a whole number from 1, got 0\n');
  expect((await fetchDetail(serving)).contributors).toEqual([]);

  const waiting = contributeFile(serving, 'rows.csv', csvRows(20));
  await expect.poll(async () => (await fetchDetail(serving)).contributors.length).toBe(1);
  const second = await contributeFile(serving, 'rows.csv', csvRows(20));
  expect(second.exitCode).toBe(1);
  expect(lastLineOf(second)).toMatchObject({ ended: { status: 'stopped', because: 'other-tab' } });
  await act(serving, 'stop');
  expect(lastLineOf(await waiting)).toMatchObject({ ended: { because: 'run-stopped' } });
  expect((await fetchDetail(serving)).contributors).toHaveLength(1);
});

test('rows that cannot be contributed are refused in one line, with another exit code than success', async ({
  serve,
}) => {
  const serving = await serve(SMALL_RUN);
  const refused = await contributeFile(serving, 'few.csv', csvRows(3));
  expect(refused).toMatchObject({ exitCode: 1, stdout: '' });
  expect(refused.stderr).toBe(
    'DATA_TOO_FEW_ROWS: Only 3 of 3 rows can be used; at least 8 are needed. Add rows, or check the chosen columns.\n',
  );
  expect((await fetchDetail(serving)).contributors).toEqual([]);
});
