import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import type { DpEvent } from '../events.ts';
import { bestOrder, RdpOdometer } from './odometer.ts';
import { epsilonOfRdp, rdpEpsilon, rdpOfEvent } from './rdpAccountant.ts';

const round = (noiseMultiplier: number, count = 10) => dpSgdEvent(0.05, noiseMultiplier, count);
const contributors: DpEvent = {
  type: 'gaussian',
  privacyUnit: 'contributor',
  neighbouringRelation: 'replace',
  noiseMultiplier: 3,
};

test('event by event it comes to what the whole costs', () => {
  const odometer = new RdpOdometer();
  expect(odometer.epsilon(1e-5)).toBe(0);
  for (let i = 1; i <= 20; i++) {
    odometer.charge(round(1));
    expect(odometer.epsilon(1e-5)).toBeCloseTo(rdpEpsilon(round(1, 10 * i), 1e-5), 10);
  }
  // Opacus' accountant after 200 steps (privacy.md 1.4)
  expect(odometer.epsilon(1e-5)).toBeCloseTo(5.367640841571381, 8);
});

test('what would be is asked without charging', () => {
  const odometer = new RdpOdometer();
  odometer.charge(round(1));
  const before = odometer.epsilon(1e-5);
  const withNext = odometer.epsilon(1e-5, round(2));
  expect(odometer.epsilon(1e-5)).toBe(before);
  odometer.charge(round(2));
  expect(odometer.epsilon(1e-5)).toBe(withNext);
  expect(withNext).toBeGreaterThan(before);
});

describe('one order, chosen beforehand', () => {
  test('holds whatever is chosen on the way: it is the sum at that order', () => {
    const order = bestOrder(round(1, 200), 1e-5);
    expect(order).toBe(4.1); // that of Opacus (privacy.md 1.4)
    const odometer = new RdpOdometer([order]);
    const chosen = [round(1), round(0.8), round(5), round(1.2)];
    for (const event of chosen) odometer.charge(event);
    const sum = chosen.reduce((total, event) => total + rdpOfEvent(event, [order])[0]!, 0);
    expect(odometer.epsilon(1e-5)).toBeCloseTo(epsilonOfRdp(Float64Array.of(sum), [order], 1e-5), 12);
  });

  test('is never under the smallest over all orders', () => {
    const [single, all] = [new RdpOdometer([8]), new RdpOdometer()];
    for (const odometer of [single, all]) odometer.charge(round(1, 500));
    expect(single.epsilon(1e-5)).toBeGreaterThan(1.05 * all.epsilon(1e-5));
  });
});

describe('history', () => {
  test('property: saved and loaded, it gives the same epsilon, and goes on from there', () => {
    const anyEvent = fc.oneof(
      fc
        .record({
          noise: fc.double({ min: 0.5, max: 10, noNaN: true }),
          count: fc.integer({ min: 0, max: 20 }),
        })
        .map(({ noise, count }) => round(noise, count)),
      fc.constant<DpEvent>({
        type: 'gaussian',
        privacyUnit: 'example',
        neighbouringRelation: 'zero-out',
        noiseMultiplier: 30,
      }),
    );
    fc.assert(
      fc.property(fc.array(anyEvent, { maxLength: 6 }), anyEvent, (events, next) => {
        const odometer = new RdpOdometer();
        for (const event of events) odometer.charge(event);
        const restored = RdpOdometer.restore(JSON.parse(JSON.stringify(odometer.history)));
        expect(restored.history).toEqual(events);
        for (const each of [odometer, restored]) each.charge(next);
        expect(restored.epsilon(1e-5)).toBe(odometer.epsilon(1e-5));
      }),
      { numRuns: 20 },
    );
  });

  test('cannot be changed from outside', () => {
    const odometer = new RdpOdometer();
    odometer.charge(round(1));
    (odometer.history as DpEvent[]).pop();
    expect(odometer.history).toHaveLength(1);
  });

  test.each([
    ['no list', { 0: round(1) }, TypeError],
    ['no events', [{}], TypeError],
    ['a number out of its range', [round(0)], RangeError],
    ['two units', [round(1), contributors], TypeError],
  ])('%s is refused', (_, saved, kind) => {
    expect(() => RdpOdometer.restore(saved)).toThrow(kind);
  });
});

test('an event that is refused is not charged', () => {
  const odometer = new RdpOdometer();
  odometer.charge(round(1));
  const before = odometer.epsilon(1e-5);
  expect(() => odometer.charge(round(-1))).toThrow(RangeError);
  expect(() => odometer.charge(contributors)).toThrow(TypeError);
  expect(() => odometer.charge({ type: 'laplace' } as unknown as DpEvent)).toThrow(TypeError);
  expect(odometer.epsilon(1e-5)).toBe(before);
  expect(odometer.history).toHaveLength(1);
  odometer.charge({ type: 'non-private' });
  expect(odometer.epsilon(1e-5)).toBe(Infinity);
  expect(() => odometer.charge(contributors)).toThrow(TypeError);
});

test('orders out of their range are refused', () => {
  expect(() => new RdpOdometer([])).toThrow(RangeError);
  expect(() => new RdpOdometer([1])).toThrow(RangeError);
});
