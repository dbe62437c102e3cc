import { describe, expect, test } from 'vitest';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import type { DpEvent } from '../events.ts';
import { pldEpsilon } from './pldAccountant.ts';
import { rdpEpsilon } from './rdpAccountant.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';

test('it is that of the privacy loss distribution, beside that of Rényi accounting', () => {
  const event = dpSgdEvent(0.04, 1.5, 2250);
  expect(reportedEpsilon(event, 1e-5)).toEqual({
    epsilon: pldEpsilon(event, 1e-5),
    accountant: 'pld',
    reason: null,
    rdpEpsilon: rdpEpsilon(event, 1e-5),
  });
});

describe('outside of the domain it falls back to Rényi accounting and says why', () => {
  test.each([
    ['little noise', dpSgdEvent(0.05, 0.09, 10), 1e-5, 'noiseMultiplier must be at least 0.1, got 0.09'],
    ['many steps', dpSgdEvent(0.001, 5, 2_000_000), 1e-5, 'steps must be at most 1000000, got 2000000'],
    ['a tiny delta', dpSgdEvent(0.05, 1, 10), 1e-20, 'delta must be at least 1e-12, got 1e-20'],
  ])('%s', (_, event, delta, reason) => {
    const reported = reportedEpsilon(event, delta);
    expect(reported.accountant).toBe('rdp');
    expect(reported.epsilon).toBe(rdpEpsilon(event, delta));
    expect(reported.rdpEpsilon).toBe(reported.epsilon);
    expect(reported.reason).toContain(reason);
  });
});

test('nothing is kept from one question to another', () => {
  const at = (noise: number, count: number, delta: number) =>
    reportedEpsilon(dpSgdEvent(0.05, noise, count), delta).epsilon;
  const first = at(1, 100, 1e-5);
  expect(at(1, 101, 1e-5)).toBeGreaterThan(first);
  expect(at(1.01, 100, 1e-5)).toBeLessThan(first);
  expect(at(1, 100, 1.1e-5)).toBeLessThan(first);
  expect(at(1, 100, 1e-5)).toBe(first);
  // However the same releases are written down
  expect(
    reportedEpsilon({ type: 'composed', events: [dpSgdEvent(0.05, 1, 40), dpSgdEvent(0.05, 1, 60)] }, 1e-5)
      .epsilon,
  ).toBe(first);
  const withoutProtection: DpEvent = {
    type: 'composed',
    events: [dpSgdEvent(0.05, 1, 100), { type: 'non-private' }],
  };
  expect(reportedEpsilon(withoutProtection, 1e-5)).toMatchObject({ epsilon: Infinity, accountant: 'pld' });
  expect(Object.isFrozen(reportedEpsilon(dpSgdEvent(0.05, 1, 100), 1e-5))).toBe(true);
});

test('more questions than answers are kept', () => {
  const small = (count: number) => reportedEpsilon(dpSgdEvent(1, 50, count), 1e-5).epsilon;
  const first = small(1);
  for (let count = 2; count < 700; count++) small(count);
  expect(small(1)).toBe(first);
});

test('impossible events are errors, not fallbacks', () => {
  expect(() => reportedEpsilon(dpSgdEvent(1.1, 1, 1), 1e-5)).toThrow(RangeError);
  expect(() => reportedEpsilon(dpSgdEvent(0.1, 1, 1), 0)).toThrow(RangeError);
  expect(() => reportedEpsilon({ type: 'laplace' } as unknown as DpEvent, 1e-5)).toThrow(TypeError);
});
