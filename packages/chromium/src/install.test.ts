import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCommand } from './command.ts';
import { ensureChromium } from './install.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorale-ensure-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

test('a Chromium that is there is used, and nothing is said', async () => {
  const lines: string[] = [];
  const ensured = await ensureChromium({ log: (line) => lines.push(line) });
  expect(ensured.path).toEqual(expect.any(String));
  expect(lines).toEqual([]);
});

test.runIf(process.platform === 'linux')(
  'one that does not start is refused with its last words',
  async () => {
    const path = join(folder, 'chromium');
    writeFileSync(path, '#!/bin/sh\necho "error while loading shared libraries: libnss3.so" >&2\nexit 127\n');
    chmodSync(path, 0o755);
    const ensured = await ensureChromium({ log: () => {}, env: { CHORALE_CHROMIUM: path } });
    expect(ensured).toEqual({
      path: null,
      reasons: [expect.stringMatching(/does not start: .*libnss3\.so \(exit 127\)/)],
    });
  },
);

test('a command over its time limit is stopped', async () => {
  const startedAt = performance.now();
  const outcome = await runCommand(process.execPath, ['-e', 'setTimeout(() => {}, 60_000)'], {
    timeoutMs: 300,
  });
  expect(outcome).toEqual({ kind: 'failed', reason: 'not done after 0.3 s' });
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});

test('a command that does not exist fails with a reason', async () => {
  const outcome = await runCommand(join(folder, 'no-such-program'), [], { timeoutMs: 5000 });
  expect(outcome).toMatchObject({ kind: 'failed', reason: expect.stringContaining('ENOENT') });
});
