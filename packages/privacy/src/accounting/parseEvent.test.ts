import { expect, test } from 'vitest';
import type { DpEvent } from '../events.ts';
import { parseDpEvent } from './parseEvent.ts';

const sampled: DpEvent = {
  type: 'poisson-sampled-gaussian',
  privacyUnit: 'example',
  neighbouringRelation: 'zero-out',
  samplingRate: 0.05,
  noiseMultiplier: 1,
};
const gaussian: DpEvent = {
  type: 'gaussian',
  privacyUnit: 'contributor',
  neighbouringRelation: 'replace',
  noiseMultiplier: 2,
};

test('events come back as they were written', () => {
  const events: DpEvent[] = [
    sampled,
    { ...sampled, samplingRate: 1 },
    gaussian,
    { ...gaussian, privacyUnit: 'example', neighbouringRelation: 'zero-out' },
    { type: 'non-private' },
    { type: 'self-composed', event: sampled, count: 0 },
    {
      type: 'composed',
      events: [
        { type: 'self-composed', event: sampled, count: 10 },
        { type: 'composed', events: [] },
      ],
    },
  ];
  for (const event of events) {
    const parsed = parseDpEvent(JSON.parse(JSON.stringify(event)));
    expect(parsed).toEqual(event);
    expect(parsed).not.toBe(event);
  }
});

test.each([
  [null, TypeError, 'event: expected an event, got null'],
  [[sampled], TypeError, 'event: expected an event'],
  [undefined, TypeError, 'got nothing'],
  [{ type: 'laplace', scale: 1 }, TypeError, 'event.type: expected one of gaussian'],
  [{ type: 'toString' }, TypeError, 'event.type'],
  [{ ...sampled, order: 2 }, TypeError, '"order"'],
  [{ ...sampled, samplingRate: undefined }, TypeError, 'event.samplingRate: expected a number in (0, 1]'],
  [{ type: 'self-composed', count: 1 }, TypeError, 'event.event: expected a value, got nothing'],
  [{ ...sampled, samplingRate: '0.05' }, TypeError, 'event.samplingRate'],
  [{ ...sampled, samplingRate: 0 }, RangeError, 'event.samplingRate: expected a number in (0, 1], got 0'],
  [{ ...sampled, samplingRate: 1.1 }, RangeError, 'event.samplingRate'],
  [{ ...sampled, noiseMultiplier: 0 }, RangeError, 'event.noiseMultiplier'],
  [{ ...sampled, noiseMultiplier: Infinity }, RangeError, 'event.noiseMultiplier'],
  [{ ...sampled, noiseMultiplier: Number.NaN }, RangeError, 'event.noiseMultiplier'],
  [
    { ...sampled, privacyUnit: 'contributor', neighbouringRelation: 'replace' },
    TypeError,
    "event.privacyUnit: expected 'example'",
  ],
  [{ ...sampled, privacyUnit: 'none' }, TypeError, 'event.privacyUnit'],
  [{ ...gaussian, neighbouringRelation: 'zero-out' }, TypeError, "expected 'replace' for contributor"],
  [{ type: 'self-composed', event: sampled, count: -1 }, RangeError, 'event.count'],
  [{ type: 'self-composed', event: sampled, count: 1.5 }, RangeError, 'event.count'],
  [{ type: 'composed', events: { 0: sampled } }, TypeError, 'event.events: expected a list'],
  [
    {
      type: 'composed',
      events: [sampled, { type: 'self-composed', event: { ...sampled, samplingRate: 2 }, count: 1 }],
    },
    RangeError,
    'event.events[1].event.samplingRate',
  ],
  [{ type: 'composed', events: Array.from({ length: 2 }) }, TypeError, 'event.events[0]'],
])('%o is refused', (value, kind, words) => {
  expect(() => parseDpEvent(value)).toThrow(kind);
  expect(() => parseDpEvent(value)).toThrow(words);
});

test('neither depth nor size is without end', () => {
  const nested = (depth: number): DpEvent =>
    depth === 1 ? sampled : { type: 'self-composed', event: nested(depth - 1), count: 1 };
  expect(parseDpEvent(nested(32))).toEqual(nested(32));
  expect(() => parseDpEvent(nested(33))).toThrow(TypeError);
  expect(() => parseDpEvent(nested(5000))).toThrow(TypeError);
  const wide = (length: number) => ({ type: 'composed', events: Array.from({ length }, () => sampled) });
  expect(() => parseDpEvent(wide(99_999))).not.toThrow();
  expect(() => parseDpEvent(wide(100_000))).toThrow(TypeError);
});
