import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readSimulationInputs } from './simulationInputs.ts';
import { smallConfig, writeSmallSimulation } from './testing/smallSimulation.ts';

let place = '';
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'chorale-inputs-'));
});
afterEach(() => {
  rmSync(place, { recursive: true });
});

const read = (config: object = smallConfig()) => readSimulationInputs(writeSmallSimulation(place, config));

test('everything a config names is read from beside it, and hashed', () => {
  const { run, trainRows, testRows, files, hashes } = read();
  expect(trainRows).toHaveLength(120);
  expect(testRows).toHaveLength(40);
  expect(trainRows.filter(({ label }) => run.task.labels[label] === 'good')).toHaveLength(60);
  expect(files.size).toBeGreaterThan(0);
  for (const hash of Object.values(hashes)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
});

test('hashes follow what is read, not where it lies', () => {
  const { hashes } = read();
  const elsewhere = join(place, 'elsewhere');
  writeSmallSimulation(elsewhere);
  expect(readSimulationInputs(join(elsewhere, 'run.json')).hashes).toEqual(hashes);
  writeFileSync(join(elsewhere, 'test.tsv'), `sentence\tlabel\n${'good film\tgood\n'.repeat(10)}`);
  const changed = readSimulationInputs(join(elsewhere, 'run.json')).hashes;
  expect(changed.test).not.toBe(hashes.test);
  expect(changed.train).toBe(hashes.train);
});

test('an embedded model needs no directory', () => {
  const { files } = read(smallConfig({ model: 'tiny-encoder' }));
  expect([...files.keys()]).toContain('model.safetensors');
});

const section = smallConfig().simulation;
test.each([
  [
    'a model that is not there',
    smallConfig({ model: 'no-such-model' }),
    /^model: expected "no-such-model" .* found neither/,
  ],
  ['a model of a hub', smallConfig({ model: 'hf:org/name@main' }), /^model: a simulation uses no network/],
  [
    'no rows',
    { ...smallConfig(), simulation: { ...section, train: 'none.tsv' } },
    /^simulation\.train: expected a file at .*none\.tsv/,
  ],
  [
    'no test',
    smallConfig({ evaluation: { file: 'none.tsv' } }),
    /^evaluation\.file: expected a file at .*none\.tsv/,
  ],
  [
    'rows of other labels',
    smallConfig({ task: { ...smallConfig().task, labels: ['x', 'y'] } }),
    /has a label of this task/,
  ],
])('%s: refused, and where it stands is said', (_, config, message) => {
  expect(() => read(config)).toThrow(message);
});
