import { parseRunConfig } from '@chorale/protocol';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { EncodingResult, EncodingsReport } from './encodingsTable.ts';
import { encodingsMarkdown } from './encodingsTable.ts';

const run = parseRunConfig(
  JSON.parse(readFileSync(new URL('../../assets/runs/demo.json', import.meta.url), 'utf8')),
);
const f32: EncodingResult = {
  encoding: 'f32',
  updateBytes: 17_504,
  testAccuracy: { mean: 0.9012, sd: 0.0123 },
  perSeed: [{ seed: 1, testAccuracy: 0.9, testLoss: 0.3, epsilon: 5.998 }],
  againstF32: null,
  errorOverNoise: 0,
  errorOverUpdate: 0,
  seconds: 1,
};
const int8: EncodingResult = {
  ...f32,
  encoding: 'int8',
  updateBytes: 4466,
  testAccuracy: { mean: 0.899, sd: 0.02 },
  againstF32: { mean: -0.0022, sd: 0.004 },
  errorOverNoise: 0.01234,
  errorOverUpdate: 0.011,
};
const report: EncodingsReport = {
  bench: 'encodings',
  machine: { cpu: 'some processor', cores: 2, node: 'v24', backend: 'wasm' },
  run,
  seeds: [1, 2, 3],
  testRows: 300,
  noiseMultiplier: 1,
  results: [f32, int8, { ...int8, encoding: 'f16', againstF32: { mean: 0.001, sd: 0.001 } }],
};

/** The page's table lines, cells without padding. */
const lines = encodingsMarkdown(report)
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.replaceAll(/ +/g, ' '));

test('a line says bytes, accuracy, the paired difference and the error', () => {
  expect(lines.slice(2)).toEqual([
    '| f32 | 17504 B | 100 % | **90.1 ± 1.2** | — | 0 | 0 |',
    '| int8 | 4466 B | 26 % | **89.9 ± 2.0** | -0.2 ± 0.4 | 1.2 % | 1.1 % |',
    '| f16 | 4466 B | 26 % | **89.9 ± 2.0** | +0.1 ± 0.1 | 1.2 % | 1.1 % |',
  ]);
});

test('the page says what was run, and what one test row is worth', () => {
  const page = encodingsMarkdown(report);
  expect(page).toContain('10 rounds of 8 local steps, 3 clients, epsilon 5.998 spent');
  expect(page).toContain('one of 300 test rows is 0.3 points');
  expect(page).toContain('some processor, 2 cores (one used), Node v24, backend wasm');
});
