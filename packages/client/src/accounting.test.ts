import { describe, expect, test } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { reportedEpsilon } from '@chorale/privacy';
import { accounting, composition, perExample } from './accounting.ts';

const sampled = (noiseMultiplier: number): DpEvent => ({
  type: 'poisson-sampled-gaussian',
  privacyUnit: 'example',
  neighbouringRelation: 'zero-out',
  samplingRate: 0.05,
  noiseMultiplier,
});
const contributor = (noiseMultiplier: number): DpEvent => ({
  type: 'gaussian',
  privacyUnit: 'contributor',
  neighbouringRelation: 'replace',
  noiseMultiplier,
});
const self = (event: DpEvent, count: number): DpEvent => ({ type: 'self-composed', event, count });

describe('composition', () => {
  test('puts equal events together, also when their keys stand in another order', () => {
    const [a, b] = [sampled(1), sampled(2)];
    const shuffled = Object.fromEntries(Object.entries(a).toReversed()) as DpEvent;
    expect(composition([a, shuffled])).toEqual(self(a, 2));
    expect(composition([b, a, b])).toEqual(composition([b, b, a]));
    expect(composition([b, a, b])).toEqual({ type: 'composed', events: [self(a, 1), self(b, 2)] });
  });
});

describe('perExample', () => {
  test('keeps what is stated for examples, and restates what is stated for contributors', () => {
    const steps = self(sampled(1), 4);
    expect(perExample(steps)).toEqual(steps);
    expect(perExample({ type: 'non-private' })).toEqual({ type: 'non-private' });
    const mixed: DpEvent = { type: 'composed', events: [steps, self(contributor(3), 2)] };
    const gaussian = {
      type: 'gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      noiseMultiplier: 3,
    };
    expect(perExample(mixed)).toEqual({
      type: 'composed',
      events: [steps, { ...self(contributor(3), 2), event: gaussian }],
    });
    // The accountant takes no mixture of units; restated, it has a price
    expect(() => reportedEpsilon(mixed, 1e-5)).toThrow(TypeError);
    expect(reportedEpsilon(perExample(mixed), 1e-5).epsilon).toBeGreaterThan(
      reportedEpsilon(steps, 1e-5).epsilon,
    );
  });
});

describe('the accountant of the worker', () => {
  test('gives the reported epsilon, by event and delta', () => {
    const { epsilonOf } = accounting;
    for (const delta of [1e-5, 1e-6, 1e-5]) {
      const { epsilon } = reportedEpsilon(self(sampled(1), 4), delta);
      expect(epsilonOf(self(sampled(1), 4), delta)).toEqual({ epsilon, reason: null });
    }
    expect(epsilonOf({ type: 'non-private' }, 1e-5)).toEqual({ epsilon: Infinity, reason: null });
    // Far too little noise for the tight accountant
    const loose = reportedEpsilon(self(sampled(0.01), 4), 1e-5);
    expect(loose.accountant).toBe('rdp');
    expect(epsilonOf(self(sampled(0.01), 4), 1e-5)).toEqual({
      epsilon: loose.epsilon,
      reason: expect.stringMatching(/^Rényi accounting/) as string,
    });
  });

  test('refuses a mechanism it does not know', () => {
    const unknown = { type: 'from-a-newer-program' } as unknown as DpEvent;
    expect(() => accounting.epsilonOf(unknown, 1e-5)).toThrow(TypeError);
  });
});
