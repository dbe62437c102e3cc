import { expect, test } from 'vitest';
import type { DpEvent } from '../events.ts';
import { flattenEvent, isMadeOfGaussians } from './flattenEvent.ts';

const example = { privacyUnit: 'example', neighbouringRelation: 'zero-out' } as const;
const contributor = { privacyUnit: 'contributor', neighbouringRelation: 'replace' } as const;
const sampled = (noiseMultiplier: number, samplingRate = 0.05): DpEvent => ({
  type: 'poisson-sampled-gaussian',
  ...example,
  samplingRate,
  noiseMultiplier,
});

test('counts multiply inwards, equal mechanisms are one, their order does not matter', () => {
  const round: DpEvent = {
    type: 'composed',
    events: [
      { type: 'self-composed', event: sampled(1), count: 10 },
      { type: 'gaussian', ...example, noiseMultiplier: 20 },
    ],
  };
  const all: DpEvent = {
    type: 'composed',
    events: [sampled(2), { type: 'self-composed', event: round, count: 3 }, sampled(1), sampled(2)],
  };
  expect(flattenEvent(all)).toEqual({
    privacyUnit: 'example',
    nonPrivate: false,
    mechanisms: [
      { samplingRate: 0.05, noiseMultiplier: 1, count: 31 },
      { samplingRate: 0.05, noiseMultiplier: 2, count: 2 },
      { samplingRate: 1, noiseMultiplier: 20, count: 3 },
    ],
  });
  expect(flattenEvent({ type: 'composed', events: [sampled(2), sampled(1)] })).toEqual(
    flattenEvent({ type: 'composed', events: [sampled(1), sampled(2)] }),
  );
});

test('sampling everything is not sampling', () => {
  expect(
    flattenEvent({
      type: 'composed',
      events: [sampled(3, 1), { type: 'gaussian', ...example, noiseMultiplier: 3 }],
    }).mechanisms,
  ).toEqual([{ samplingRate: 1, noiseMultiplier: 3, count: 2 }]);
});

test('what happens zero times releases nothing', () => {
  const never = (event: DpEvent): DpEvent => ({ type: 'self-composed', count: 0, event });
  expect(flattenEvent(never(sampled(1)))).toMatchObject({ nonPrivate: false, mechanisms: [] });
  expect(flattenEvent(never({ type: 'non-private' })).nonPrivate).toBe(false);
  expect(flattenEvent({ type: 'composed', events: [sampled(1), { type: 'non-private' }] }).nonPrivate).toBe(
    true,
  );
});

test('two units are never added up', () => {
  const mixed: DpEvent = {
    type: 'composed',
    events: [sampled(1), { type: 'gaussian', ...contributor, noiseMultiplier: 1 }],
  };
  expect(isMadeOfGaussians(mixed)).toBe(true);
  expect(() => flattenEvent(mixed)).toThrow(TypeError);
  expect(() => flattenEvent(mixed)).toThrow('example and contributor');
  expect(flattenEvent({ type: 'gaussian', ...contributor, noiseMultiplier: 1 }).privacyUnit).toBe(
    'contributor',
  );
});

test.each([
  { type: 'laplace' },
  { ...sampled(1), neighbouringRelation: 'replace' },
  { ...sampled(1), privacyUnit: 'contributor' },
  { type: 'gaussian', ...example, neighbouringRelation: 'replace', noiseMultiplier: 1 },
  { type: 'gaussian', ...contributor, privacyUnit: 'none', noiseMultiplier: 1 },
  { type: 'composed', events: [sampled(1), { type: 'laplace' }] },
  { type: 'self-composed', count: 0, event: { type: 'laplace' } },
])('%o is not known', (foreign) => {
  const event = foreign as unknown as DpEvent;
  expect(isMadeOfGaussians(event)).toBe(false);
  expect(() => flattenEvent(event)).toThrow(TypeError);
});

test('more releases than can be counted are refused', () => {
  const deep: DpEvent = {
    type: 'self-composed',
    count: 2 ** 40,
    event: { type: 'self-composed', count: 2 ** 40, event: sampled(1) },
  };
  expect(() => flattenEvent(deep)).toThrow(RangeError);
});
