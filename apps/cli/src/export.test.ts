import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCli } from './testing/runCli.ts';

const directory = mkdtempSync(join(tmpdir(), 'chorale-export-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('export is a program of the server, with its words and its exit code', async () => {
  const help = await runCli('export', '--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toMatch(/^chorale export --data-dir DIR/);
  const refused = await runCli('export', '--data-dir', directory, '--run', 'one');
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('CONFIG_INVALID: --data-dir: expected the data directory of a server');
});
