import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findChromium, findOnPath, listChromiums, playwrightExecutable } from './executable.ts';

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'chorale-chromium-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function writeProgram(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, '#!/bin/sh\n');
  chmodSync(path, 0o755);
  return path;
}

test('$CHORALE_CHROMIUM wins over the PATH', () => {
  writeProgram('chromium');
  const chosen = writeProgram('my-browser');
  expect(findChromium({ CHORALE_CHROMIUM: chosen, PATH: folder })).toBe(chosen);
});

test('a wrong $CHORALE_CHROMIUM is an error that names it, not passed over', () => {
  writeProgram('chromium');
  const missing = join(folder, 'no-such-browser');
  expect(() => findChromium({ CHORALE_CHROMIUM: missing, PATH: folder })).toThrow(missing);
});

test('on the PATH Chromium is preferred to Chrome, whatever the order of the folders', () => {
  const chrome = writeProgram('google-chrome');
  const chromium = writeProgram('chromium');
  const onPath = listChromiums({ PATH: `/nowhere${delimiter}${folder}` }).filter((candidate) =>
    candidate.source.endsWith('on the PATH'),
  );
  expect(onPath.map((candidate) => candidate.path)).toEqual([chromium, chrome]);
});

test('a folder or a plain file of the right name is no Chromium', () => {
  writeFileSync(join(folder, 'chromium'), 'not a program');
  chmodSync(join(folder, 'chromium'), 0o644);
  expect(findOnPath('chromium', { PATH: folder })).toBeNull();
  expect(findOnPath(folder.slice(tmpdir().length + 1), { PATH: tmpdir() })).toBeNull();
});

test('with an empty PATH only the browser of Playwright is left', () => {
  expect(findChromium({ PATH: '' })).toBe(playwrightExecutable());
});
