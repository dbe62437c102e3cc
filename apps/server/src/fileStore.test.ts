import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openFileStore, sha256Of } from './fileStore.ts';

const CAN_LIMIT = spawnSync('prlimit', ['--version']).status === 0;
if (!CAN_LIMIT) console.warn('SKIPPED: there is no prlimit (util-linux) here, so no disk can be made full');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-files-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('has under its hash what was put there', () => {
  const files = openFileStore(directory);
  const bytes = Uint8Array.of(1, 2, 3);
  expect(files.put(bytes)).toBe(sha256Of(bytes));
  expect(files.put(bytes)).toBe(sha256Of(bytes));
  expect(Uint8Array.from(files.read(sha256Of(bytes)))).toEqual(bytes);
  expect(readdirSync(directory)).toEqual([sha256Of(bytes)]);
});

// In a process of its own, for the limit holds for all of one
const PROGRAM = `
  const { openFileStore } = await import(process.argv[1]);
  process.on('SIGXFSZ', () => undefined);
  try {
    openFileStore(process.argv[2]).put(new Uint8Array(100_000));
    console.log('stored');
  } catch (error) {
    console.log(error.code + ': ' + error.message);
  }
`;

it.skipIf(!CAN_LIMIT)('says that there is no room, and leaves nothing half written', () => {
  const put = (limit: string): string =>
    execFileSync(
      'prlimit',
      [
        `--fsize=${limit}`,
        process.execPath,
        '--input-type=module',
        '--eval',
        PROGRAM,
        new URL('./fileStore.ts', import.meta.url).href,
        directory,
      ],
      { encoding: 'utf8' },
    );
  expect(put('65536')).toMatch(/^STORE_FULL: expected to write 100000 bytes to .*make room there/);
  expect(readdirSync(directory)).toEqual([]);
  expect(put('unlimited')).toBe('stored\n');
});
