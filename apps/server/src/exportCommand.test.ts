import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parseExportOptions, runExport } from './exportCommand.ts';
import type { RunningServer } from './server.ts';
import { TestSite, asAdmin, testParts } from './testServer.fixture.ts';

let site: TestSite;
let server: RunningServer;
let out: string;
beforeEach(async () => {
  site = new TestSite();
  server = await site.start();
  out = join(site.directory, 'adapter');
});
afterEach(async () => {
  await site.clean();
});

async function exported(...args: string[]): Promise<string[]> {
  const lines: string[] = [];
  const command = parseExportOptions(['--data-dir', site.dataDir, ...args]);
  await runExport(command, testParts, (line) => lines.push(line));
  return lines;
}

it('writes the files of the admin download, beside a running server', async () => {
  const one = await site.contributor(server);
  const two = await site.contributor(server);
  await one.joinOrThrow();
  await two.joinOrThrow();
  for (const contributor of [one, two]) {
    await contributor.round(1);
    await contributor.send(1, [1, 2, 3, 4]);
  }
  await one.round(2);
  const lines = await exported('--run', server.runId, '--out', out, '--json');
  expect(JSON.parse(lines.at(-1)!)).toEqual({
    runId: server.runId,
    adapterVersion: 1,
    out,
    files: ['adapter_config.json', 'adapter_model.safetensors', 'README.md'],
  });
  const zip = await (await asAdmin(server, `runs/${server.runId}/adapter.zip`)).arrayBuffer();
  const { unzipSync } = await import('fflate');
  const downloaded = unzipSync(new Uint8Array(zip));
  expect(readdirSync(out).toSorted()).toEqual(Object.keys(downloaded).toSorted());
  for (const [name, bytes] of Object.entries(downloaded)) {
    expect(Buffer.compare(readFileSync(join(out, name)), bytes)).toBe(0);
  }
});

it('lists the runs when none is named', async () => {
  const lines = await exported('--json');
  expect(lines[0]).toBe(`${server.runId}  recruiting, adapter version 0  "Test run"`);
  expect(JSON.parse(lines.at(-1)!)).toEqual({
    runs: [{ runId: server.runId, name: 'Test run', status: 'recruiting', adapterVersion: 0 }],
  });
  await expect(exported('--out', out)).rejects.toThrow(`expected --run with --out: ${server.runId}`);
});

it('writes over nothing, unless it is told to', async () => {
  mkdirSync(out);
  await exported('--run', server.runId, '--out', out);
  writeFileSync(join(out, 'README.md'), 'mine');
  await expect(exported('--run', server.runId, '--out', out)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringMatching(/has files; name another one, or add --force/) as string,
  });
  expect(readFileSync(join(out, 'README.md'), 'utf8')).toBe('mine');
  await exported('--run', server.runId, '--out', out, '--force');
  expect(readFileSync(join(out, 'README.md'), 'utf8')).toContain('# Test run');
});

it('says what is wrong with its options', async () => {
  await expect(exported('--run', 'none', '--out', out)).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
    message: expect.stringContaining(server.runId) as string,
  });
  await expect(exported('--run', server.runId)).rejects.toThrow(/expected --out/);
  await expect(exported('--data-dir', join(site.directory, 'none'))).rejects.toThrow(/none is none/);
  expect(existsSync(join(site.directory, 'none'))).toBe(false);
  expect(() => parseExportOptions(['--rum'])).toThrow(/--rum.*--help/);
});
