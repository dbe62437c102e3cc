import { expect, test } from 'vitest';
import { FaultChoice, NO_FAULTS, parseFaults } from './faults.ts';

test('rates are read by name; what is not named does not happen', () => {
  expect(parseFaults('')).toEqual(NO_FAULTS);
  expect(parseFaults('drop=0.02,corrupt=1')).toEqual({ ...NO_FAULTS, drop: 0.02, corrupt: 1 });
});

test.each(['lost=0.1', 'drop', 'drop=', 'drop=1.5', 'drop=-1', 'drop=x', '=1'])('"%s" is refused', (text) => {
  expect(() => parseFaults(text)).toThrow(/--faults: expected NAME=RATE/);
});

test('choices repeat with the seed, differ between contributors, and come as often as their rate says', () => {
  const draws = (seed: number, contributor: number) => {
    const choice = new FaultChoice({ ...NO_FAULTS, drop: 0.25 }, seed, contributor);
    return Array.from({ length: 4000 }, () => choice.happens('drop'));
  };
  expect(draws(1, 0)).toEqual(draws(1, 0));
  expect(draws(1, 1)).not.toEqual(draws(1, 0));
  expect(draws(2, 0)).not.toEqual(draws(1, 0));
  const rate = draws(1, 0).filter(Boolean).length / 4000;
  expect(Math.abs(rate - 0.25)).toBeLessThan(0.04);
  const choice = new FaultChoice({ ...NO_FAULTS, drop: 1 }, 1, 0);
  expect([choice.happens('drop'), choice.happens('delay')]).toEqual([true, false]);
});

test('a corrupted copy is another one, and the update stays as it is', () => {
  const choice = new FaultChoice(NO_FAULTS, 1, 0);
  const payload = Uint8Array.from({ length: 200 }, (_, i) => i);
  for (let i = 0; i < 200; i++) expect(choice.corrupted(payload)).not.toEqual(payload);
  expect(payload).toEqual(Uint8Array.from({ length: 200 }, (_, i) => i));
});
