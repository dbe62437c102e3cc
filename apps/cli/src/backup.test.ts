import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { runCli } from './testing/runCli.ts';

const directory = mkdtempSync(join(tmpdir(), 'chorale-backup-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test('backup is a program of the server, with its words and its exit code', async () => {
  const help = await runCli('backup', '--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toMatch(/^chorale backup --data-dir DIR/);
  const refused = await runCli('backup', '--data-dir', directory, '--out', join(directory, 'copy'));
  expect(refused).toMatchObject({ code: 1, stdout: '' });
  expect(refused.stderr).toContain('CONFIG_INVALID: --data-dir: expected the data directory of a server');
});
