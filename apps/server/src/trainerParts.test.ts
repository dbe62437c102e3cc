import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { publicRunSchema } from '@chorale/protocol';
import { parseExportOptions, runExport } from './exportCommand.ts';
import { trainerParts } from './trainerParts.ts';
import { TestSite, asAdmin, getDetail, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

it('runs a round of the embedded model: derived, calibrated, measured in the thread, exported', async () => {
  site = new TestSite({ model: 'tiny-encoder', rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 } });
  const rows = Array.from({ length: 12 }, (_, k) => (k % 2 ? 'a wonderful film\tyes' : 'a dull mess\tno'));
  writeFileSync(`${site.directory}/test.tsv`, `sentence\tlabel\n${rows.join('\n')}\n`);
  const server = await site.start(trainerParts);
  const { run } = publicRunSchema.parse(await getRun(server));
  const { plannedEpsilon } = await getDetail(server);
  expect(run.plan.model.name).toBe('tiny-encoder');
  expect(run.plan.noiseMultiplier).toBeGreaterThan(0.1);
  expect(plannedEpsilon).toBeGreaterThan(2.5);
  expect(plannedEpsilon).toBeLessThanOrEqual(3);

  const one = await site.contributor(server);
  await one.joinOrThrow();
  await one.round(1);
  const values = Array.from({ length: run.plan.parameterCount }, (_, i) => Math.sin(i) / 10);
  expect(await one.send(1, values)).toMatchObject({ ok: true });
  const done = await until(
    async () => {
      const now = await getRun(server);
      return now.state.status === 'completed' && now.rounds.every((each) => each.testLoss !== null) && now;
    },
    'two measured records',
    25_000,
  );
  expect(done.rounds.map(({ testAccuracy }) => testAccuracy! >= 0 && testAccuracy! <= 1)).toEqual([
    true,
    true,
  ]);
  expect(done.rounds[0]!.testLoss).not.toBe(done.rounds[1]!.testLoss);

  const response = await asAdmin(server, `runs/${server.runId}/adapter.zip`);
  expect(response.headers.get('content-disposition')).toContain(`${server.runId}-v1.zip`);
  const { unzipSync } = await import('fflate');
  const files = unzipSync(new Uint8Array(await response.arrayBuffer()));
  expect(Object.keys(files)).toEqual(
    expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors']),
  );
  // `chorale export` writes the same files
  const out = `${site.directory}/adapter`;
  const command = ['--data-dir', site.dataDir, '--run', server.runId, '--out', out];
  await runExport(parseExportOptions(command), trainerParts, () => undefined);
  for (const [name, bytes] of Object.entries(files)) {
    expect(Buffer.compare(readFileSync(`${out}/${name}`), bytes)).toBe(0);
  }
  expect(site.problems).toEqual([]);
});
