import { describe, expect, test } from 'vitest';
import type { ChoraleError } from '@chorale/protocol';
import {
  backendName,
  nodeBackend,
  oneOf,
  parseOptions,
  positiveNumber,
  probability,
  refusedByAccountant,
  required,
  wholeNumber,
} from './options.ts';

const failureOf = (act: () => unknown): ChoraleError => {
  try {
    act();
  } catch (error) {
    return error as ChoraleError;
  }
  throw new Error('expected an error');
};

const OPTIONS = {
  tabs: { type: 'string', default: '3' },
  keep: { type: 'boolean', default: false },
  dir: { type: 'string' },
} as const;

describe('parseOptions', () => {
  test('fills defaults and reads both ways of writing a value', () => {
    expect(parseOptions([], OPTIONS)).toEqual({ tabs: '3', keep: false });
    expect(parseOptions(['--tabs', '5', '--dir=here', '--keep'], OPTIONS)).toEqual({
      tabs: '5',
      keep: true,
      dir: 'here',
    });
  });

  test.each([
    [['--tab', '5'], /--tab/],
    [['five'], /five/],
    [['--tabs'], /--tabs/],
    [['--keep=yes'], /--keep/],
  ])('%j is refused and says where help is', (args, message) => {
    expect(failureOf(() => parseOptions(args, OPTIONS))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message) as string,
    });
    expect(failureOf(() => parseOptions(args, OPTIONS)).message).toMatch(/see --help/);
  });
});

describe('wholeNumber', () => {
  test.each([
    ['3', 1, 3],
    ['1', 1, 1],
    ['0', 0, 0],
    ['65535', 0, 65535],
  ])('%j from %d', (value, least, expected) => {
    expect(wholeNumber('tabs', value, least)).toBe(expected);
  });

  test.each(['0', '-1', '2.5', 'three', 'NaN', 'Infinity', '9007199254740993', '3 tabs', ''])(
    '%j is refused where 1 is the least',
    (value) => {
      expect(failureOf(() => wholeNumber('tabs', value, 1))).toMatchObject({
        code: 'CONFIG_INVALID',
        message: `--tabs: expected a whole number from 1, got ${value}`,
      });
    },
  );
});

describe('backendName', () => {
  test.each(['webgpu', 'webgl', 'wasm', 'cpu'])('%s', (name) => {
    expect(backendName(name)).toBe(name);
  });

  test.each(['WebGPU', 'cuda', ''])('%j is refused', (name) => {
    expect(failureOf(() => backendName(name))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `--backend: expected one of webgpu, webgl, wasm, cpu, got ${name}`,
    });
  });
});

test('nodeBackend takes what runs without a browser', () => {
  expect([nodeBackend('wasm'), nodeBackend('cpu')]).toEqual(['wasm', 'cpu']);
  expect(failureOf(() => nodeBackend('webgpu')).message).toMatch(/webgpu needs a browser/);
});

describe('positiveNumber', () => {
  test.each([
    ['1e-9', 1e-9],
    ['0.5', 0.5],
    ['7', 7],
  ])('%j', (value, expected) => {
    expect(positiveNumber('noise', value)).toBe(expected);
  });

  test.each(['0', '-1', 'NaN', 'Infinity', 'x', ''])('%j is refused', (value) => {
    expect(failureOf(() => positiveNumber('noise', value))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `--noise: expected a number over 0, got ${value}`,
    });
  });
});

describe('probability', () => {
  test('may be 1 where that makes sense', () => {
    expect(probability('rate', '1', '1')).toBe(1);
    expect(probability('delta', '1e-5', 'under 1')).toBe(1e-5);
    expect(failureOf(() => probability('delta', '1', 'under 1')).message).toBe(
      '--delta: expected a number between 0 and 1, got 1',
    );
  });

  test.each(['0', '-0.1', '1.1', 'NaN', 'half', ''])('%j is refused', (value) => {
    expect(failureOf(() => probability('rate', value, '1'))).toMatchObject({
      code: 'CONFIG_INVALID',
      message: `--rate: expected a number over 0 and up to 1, got ${value}`,
    });
  });
});

test('oneOf names the choices', () => {
  expect(oneOf('accountant', 'rdp', ['pld', 'rdp'])).toBe('rdp');
  expect(failureOf(() => oneOf('accountant', 'gdp', ['pld', 'rdp'])).message).toBe(
    '--accountant: expected one of pld, rdp, got gdp',
  );
});

test('required shows the usage', () => {
  expect(required('delta', '1e-5', 'usage')).toBe('1e-5');
  expect(failureOf(() => required('delta', undefined, 'usage')).message).toBe('expected --delta\n\nusage');
});

test('refusedByAccountant passes results and defects on, and words refusals', () => {
  const refusing = (error: Error) => () =>
    refusedByAccountant(() => {
      throw error;
    });
  expect(refusedByAccountant(() => 3)).toBe(3);
  expect(failureOf(refusing(new RangeError('too little')))).toMatchObject({
    code: 'CONFIG_INVALID',
    message: 'too little',
  });
  const defect = new TypeError('a defect');
  expect(failureOf(refusing(defect))).toBe(defect);
});
