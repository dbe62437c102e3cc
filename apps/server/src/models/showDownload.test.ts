import { expect, test } from 'vitest';
import { showDownload } from './showDownload.ts';

const TOTAL = 45_000_000;

function shown(isTTY: boolean, states: [number, number][]): string[] {
  const lines: string[] = [];
  let nowMs = 0;
  const show = showDownload({ isTTY, write: (text) => lines.push(text) }, () => nowMs);
  for (const [atMs, downloadedBytes] of states) {
    nowMs = atMs;
    show({ downloadedBytes, totalBytes: TOTAL });
  }
  return lines;
}

test('a pipe gets a line for each tenth, also when bytes have to come again', () => {
  const states = [1e6, 4e6, 5e6, 5.1e6, 2e6, 8.9e6, 30e6, TOTAL].map((bytes): [number, number] => [0, bytes]);
  expect(shown(false, states)).toEqual([
    'Downloading the model: 1.0 of 45 MB (2 %)\n',
    'Downloading the model: 5.0 of 45 MB (11 %)\n',
    'Downloading the model: 30 of 45 MB (66 %)\n',
    'Downloading the model: 45 of 45 MB (100 %)\n',
  ]);
});

test('a terminal gets one line that changes ten times a second, and ends', () => {
  const lines = shown(true, [
    [0, 1e6],
    [50, 2e6],
    [100, 3e6],
    [110, TOTAL],
  ]);
  expect(lines).toEqual([
    '\r\u001B[KDownloading the model: 1.0 of 45 MB (2 %)',
    '\r\u001B[KDownloading the model: 3.0 of 45 MB (6 %)',
    '\r\u001B[KDownloading the model: 45 of 45 MB (100 %)\n',
  ]);
});
