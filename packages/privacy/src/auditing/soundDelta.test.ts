import { expect, test } from 'vitest';
import { privacyProfile } from '../accounting/pldAccountant.ts';
import { rdpEpsilon } from '../accounting/rdpAccountant.ts';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import { soundDelta } from './soundDelta.ts';

test('is the tight one where that is to be had', () => {
  const event = dpSgdEvent(0.05, 1, 200);
  const delta = soundDelta(event);
  const profile = privacyProfile(event);
  for (const epsilon of [4.766, 20, 0, 1]) expect(delta(epsilon) / profile.delta(epsilon)).toBeCloseTo(1, 3);
  // 4.766 at 1e-5 (shared reference values)
  expect(delta(4.766)).toBeGreaterThan(0.95e-5);
  expect(delta(4.766)).toBeLessThan(1.05e-5);
});

test('is that of Rényi accounting where it is not, and inverts it', () => {
  const event = dpSgdEvent(0.05, 0.09, 3); // under the smallest noise of the tight accountant
  expect(() => privacyProfile(event).epsilon(1e-5)).toThrow('must be at least 0.1');
  const delta = soundDelta(event);
  for (const target of [1e-3, 1e-6]) {
    expect(delta(rdpEpsilon(event, target)) / target).toBeCloseTo(1, 6);
  }
  expect(delta(0)).toBe(1);
  expect(() => delta(-1)).toThrow(RangeError);
});
