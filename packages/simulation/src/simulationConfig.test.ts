import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseSimulationConfig } from './simulationConfig.ts';
import { smallConfig } from './testing/smallSimulation.ts';

const parse = (change: object, simulation: object = {}) => {
  const config = smallConfig();
  return parseSimulationConfig(
    { ...config, ...change, simulation: { ...config.simulation, ...simulation } },
    'run.json',
  );
};

test('defaults: tested after every round, the adapter seed of the config', () => {
  const { simulation, run } = parse({}, { evaluateEvery: undefined });
  expect(simulation.evaluateEvery).toBe(1);
  expect(simulation.adapterSeed).toBe('config');
  expect(run).not.toHaveProperty('simulation');
});

const BAD: [what: string, change: object, simulation: object, message: RegExp][] = [
  ['an unknown key', {}, { client: 3 }, /run\.json: simulation: .*"client"/],
  ['an unknown split', {}, { split: { kind: 'even' } }, /simulation\.split\.kind: /],
  ['a key of another split', {}, { split: { kind: 'iid', alpha: 1 } }, /simulation\.split: .*"alpha"/],
  [
    'shares that are no shares',
    {},
    {
      split: {
        kind: 'label-skew',
        mix: [
          [0.5, 0.6],
          [0.5, 0.5],
          [1, 0],
        ],
      },
    },
    /simulation\.split\.mix\.0: the shares of a client must add up to 1/,
  ],
  [
    'too few rows of a mix',
    {},
    { split: { kind: 'label-skew', mix: [[0.5, 0.5]] } },
    /a row for each of 3 clients, got 1/,
  ],
  ['alpha 0', {}, { split: { kind: 'dirichlet', alpha: 0 } }, /simulation\.split\.alpha: /],
  ['no clients', {}, { clients: 0 }, /simulation\.clients: /],
  [
    'a cohort larger than the clients',
    { rounds: { count: 1, cohortSize: 4, minimumUpdates: 1 } },
    {},
    /rounds\.cohortSize is 4, expected at most simulation\.clients, 3/,
  ],
  ['a wrong run config', { adapter: { rank: 0 } }, {}, /run\.json: adapter\.rank: /],
];

test.each(BAD)('%s is refused, and where it stands is said', (_, change, simulation, message) => {
  expect(() => parse(change, simulation)).toThrow(message);
});

test('a run config without the section is refused with an example of it', () => {
  const { simulation: _, ...run } = smallConfig();
  expect(() => parseSimulationConfig(run, 'run.json')).toThrow(/section "simulation": {"clients": 3/);
});

test('the example of docs/simulation.md is a config', () => {
  const page = readFileSync(new URL('../../../docs/simulation.md', import.meta.url), 'utf8');
  const [, example] = /```json\n(.*?)```/s.exec(page)!;
  const { simulation } = parseSimulationConfig(JSON.parse(example!), 'docs/simulation.md');
  expect(simulation).toMatchObject({ clients: 3, split: { kind: 'iid' }, examplesPerClient: 1200 });
});
