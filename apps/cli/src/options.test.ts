import { describe, expect, test } from 'vitest';
import type { ChoraleError } from '@chorale/protocol';
import { backendName, parseOptions, wholeNumber } from './options.ts';

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
