import { describe, expect, test } from 'vitest';
import type { LimitsView } from '@chorale/client';
import { allowedEpsilon, fieldToBlame, limitsOfPlan, parseLimit } from './limits.ts';
import { fakeRun } from './dev/fakeRun.ts';

const { plan } = fakeRun('private').run;
const { plan: unprotected } = fakeRun('unprotected').run;

const view = (change: Partial<LimitsView>, limits: Partial<LimitsView['limits']> = {}): LimitsView => ({
  limits: { ...limitsOfPlan(plan, 6), ...limits },
  problem: { code: 'LIMITS_EXCEEDED', message: 'no' },
  roundsAllowed: 12,
  ...change,
});

describe('limitsOfPlan', () => {
  test('is just what the plan asks for', () => {
    expect(limitsOfPlan(plan, 6)).toEqual({ epsilonLimit: 6, leastNoiseMultiplier: 1.1, mostRounds: 12 });
  });
  test('of a run that protects nothing has rounds only', () => {
    expect(limitsOfPlan(unprotected, null)).toEqual({
      epsilonLimit: null,
      leastNoiseMultiplier: null,
      mostRounds: 12,
    });
  });
});

describe('parseLimit', () => {
  test.each([
    ['3', 3],
    [' 0.5 ', 0.5],
    ['0,5', 0.5],
    ['.25', 0.25],
    ['3.', 3],
    ['1e-3', 0.001],
  ])('reads %j as %d', (text, value) => {
    expect(parseLimit('epsilonLimit', text)).toBe(value);
  });
  test.each(['', ' ', '0', '-1', 'two', '1 000', '0x10', 'Infinity', 'NaN', '1e999', '1.2.3', '1,2,3'])(
    'refuses %j',
    (text) => {
      expect(parseLimit('epsilonLimit', text)).toBeNull();
    },
  );
  test('rounds are whole', () => {
    expect(parseLimit('mostRounds', '7')).toBe(7);
    expect(parseLimit('mostRounds', '7.5')).toBeNull();
    expect(parseLimit('mostRounds', '0')).toBeNull();
    expect(parseLimit('mostRounds', '1e20')).toBeNull();
  });
});

describe('fieldToBlame', () => {
  test('nothing without a problem', () => {
    expect(fieldToBlame(view({ problem: null, roundsAllowed: 0 }), plan)).toBeNull();
  });
  test('the noise, when she asks for more than the plan has', () => {
    expect(fieldToBlame(view({}, { leastNoiseMultiplier: 1.2 }), plan)).toBe('leastNoiseMultiplier');
    expect(fieldToBlame(view({ roundsAllowed: 0 }, { leastNoiseMultiplier: 1.2 }), plan)).toBe(
      'leastNoiseMultiplier',
    );
  });
  test('the epsilon, when it is enough for no round', () => {
    expect(fieldToBlame(view({ roundsAllowed: 0 }, { epsilonLimit: 0.1 }), plan)).toBe('epsilonLimit');
  });
  test('no field, when none explains it', () => {
    expect(fieldToBlame(view({}), plan)).toBeNull();
    expect(fieldToBlame(view({ roundsAllowed: null }), plan)).toBeNull();
    expect(fieldToBlame(view({ roundsAllowed: 0 }, limitsOfPlan(unprotected, null)), unprotected)).toBeNull();
  });
});

test('allowedEpsilon is the less of her limit and what the plan costs', () => {
  expect(allowedEpsilon(view({}, { epsilonLimit: 2 }), 6)).toBe(2);
  expect(allowedEpsilon(view({}, { epsilonLimit: 20 }), 6)).toBe(6);
  expect(allowedEpsilon(null, 6)).toBe(6);
  expect(allowedEpsilon(view({}), null)).toBeNull();
});
