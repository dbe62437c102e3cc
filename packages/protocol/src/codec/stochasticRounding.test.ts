import type { RandomSource } from '@chorale/privacy';
import { expect, test } from 'vitest';
import { TestRandom } from './codec.fixture.ts';
import { StochasticRounding } from './stochasticRounding.ts';

/** A source whose 32-bit words are those of a list, fetched one by one. */
function words(...list: number[]): RandomSource & { left: number[] } {
  return {
    left: list,
    fill(bytes) {
      const word = list.shift();
      if (word === undefined) throw new Error('more words were drawn than the test gave');
      new DataView(bytes.buffer).setUint32(bytes.byteOffset, word, true);
    },
  };
}

const rounded = (magnitude: number, ...list: number[]) =>
  new StochasticRounding(words(...list), 1).round(magnitude);

test('up where the word is below the fraction, down where it is above', () => {
  expect(rounded(5.25, 2 ** 30 - 1)).toBe(6);
  expect(rounded(5.25, 2 ** 30 + 1)).toBe(5);
  expect(rounded(0.75, 0)).toBe(1);
  expect(rounded(126.5, 0xffffffff)).toBe(126);
});

test('words that are equal to the fraction decide nothing: the next 32 bits do, until none of it is left', () => {
  const fraction = 0.25 + 3 * 2 ** -52; // digits: 2^30, then 3 · 2^12
  expect(rounded(fraction, 2 ** 30, 3 * 2 ** 12 - 1)).toBe(1);
  expect(rounded(fraction, 2 ** 30, 3 * 2 ** 12 + 1)).toBe(0);
  expect(rounded(fraction, 2 ** 30, 3 * 2 ** 12)).toBe(0);
  expect(rounded(0.25, 2 ** 30)).toBe(0); // P(word < 2^30) is 1/4 exactly
  expect(rounded(2 ** -70, 0, 0, 0)).toBe(1); // third word: 2^26
  expect(rounded(2 ** -70, 0, 1)).toBe(0);
});

test('integers stay, and take no random bits', () => {
  const source = words();
  const rounding = new StochasticRounding(source, 1);
  for (const integer of [0, 1, 127, 2048, 2 ** 52]) expect(rounding.round(integer)).toBe(integer);
});

test('bits are fetched in blocks of 65,536 bytes at most, and each is used once', () => {
  const lengths: number[] = [];
  const counting: RandomSource = {
    fill(bytes) {
      const view = new Uint32Array(bytes.buffer);
      // Word k of the whole stream: rounds 0.5 down and up in turns
      for (let i = 0; i < view.length; i++) view[i] = i % 2 === 0 ? 0xffffffff : 0;
      lengths.push(bytes.length);
    },
  };
  const rounding = new StochasticRounding(counting, 20_000);
  const results = Array.from({ length: 20_000 }, () => rounding.round(0.5));
  expect(results).toEqual(Array.from({ length: 20_000 }, (_, i) => i % 2));
  expect(lengths).toEqual([65_536, 65_536]);
});

test.each([0.001, 0.3, 0.5, 0.9])('rounds up with the probability %s', (fraction) => {
  const rounding = new StochasticRounding(new TestRandom(5), 1024);
  const trials = 200_000;
  let ups = 0;
  for (let i = 0; i < trials; i++) ups += rounding.round(3 + fraction) - 3;
  const z = (ups - trials * fraction) / Math.sqrt(trials * fraction * (1 - fraction));
  expect(Math.abs(z)).toBeLessThan(4); // by chance 6e-5; the seed is fixed
});
