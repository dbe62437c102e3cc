import { expect, test } from 'vitest';
import { conjugatePosition, forwardFft, inverseFft } from './fft.ts';

function bitReverse(index: number, size: number): number {
  let reversed = 0;
  for (let bit = 1; bit < size; bit *= 2) reversed = 2 * reversed + (Math.floor(index / bit) % 2);
  return reversed;
}

/** Numbers without a pattern, the same in every run. */
function samples(size: number, phase: number): Float64Array {
  return Float64Array.from({ length: size }, (_, i) => Math.sin(12.9898 * i * i + phase));
}

// A large size first, so that smaller ones use a table made for another size.
test.each([64, 1, 2, 8, 32])('%s points: the definition of the transform', (size) => {
  const re = samples(size, 1);
  const im = samples(size, 2);
  const [inputRe, inputIm] = [re.slice(), im.slice()];
  forwardFft(re, im);
  for (let k = 0; k < size; k++) {
    let sumRe = 0;
    let sumIm = 0;
    for (let j = 0; j < size; j++) {
      const angle = (-2 * Math.PI * j * k) / size;
      sumRe += inputRe[j]! * Math.cos(angle) - inputIm[j]! * Math.sin(angle);
      sumIm += inputIm[j]! * Math.cos(angle) + inputRe[j]! * Math.sin(angle);
    }
    expect(re[bitReverse(k, size)]).toBeCloseTo(sumRe, 11);
    expect(im[bitReverse(k, size)]).toBeCloseTo(sumIm, 11);
  }
  inverseFft(re, im);
  re.forEach((value, i) => expect(value / size).toBeCloseTo(inputRe[i]!, 13));
  im.forEach((value, i) => expect(value / size).toBeCloseTo(inputIm[i]!, 13));
});

test('a large transform and back lose no digits', () => {
  const size = 2 ** 17;
  const re = samples(size, 3);
  const im = new Float64Array(size);
  forwardFft(re, im);
  inverseFft(re, im);
  const input = samples(size, 3);
  const worst = re.reduce((largest, value, i) => Math.max(largest, Math.abs(value / size - input[i]!)), 0);
  expect(worst).toBeLessThan(1e-14);
});

test('the spectrum of real data has its conjugates where they are said to be', () => {
  const re = samples(64, 4);
  const im = new Float64Array(64);
  forwardFft(re, im);
  for (let position = 1; position < 64; position++) {
    const conjugate = conjugatePosition(position);
    expect(conjugatePosition(conjugate)).toBe(position);
    expect(re[conjugate]).toBeCloseTo(re[position]!, 12);
    expect(im[conjugate]).toBeCloseTo(-im[position]!, 12);
  }
});

test('other lengths are refused', () => {
  expect(() => forwardFft(new Float64Array(12), new Float64Array(12))).toThrow(RangeError);
  expect(() => inverseFft(new Float64Array(8), new Float64Array(16))).toThrow(RangeError);
  expect(() => forwardFft(new Float64Array(0), new Float64Array(0))).toThrow(RangeError);
});
