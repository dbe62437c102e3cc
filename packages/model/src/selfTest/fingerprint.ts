import { fixedWord } from './fixedEncoder.ts';

/**
 * A tensor in four numbers: its L2 norm, and its products with three vectors of fixed random signs. An error anywhere
 * moves the products by its own size, so that answers can be stored without the tensors.
 */
export type Fingerprint = readonly [norm: number, first: number, second: number, third: number];

/** Number of the stream the signs come from; no tensor has it. */
const SIGNS = 1000;

export function fingerprintOf(values: Float32Array): Fingerprint {
  let squares = 0;
  const products: [number, number, number] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const signs = fixedWord(SIGNS, i);
    squares += value * value;
    products[0] += signs & 1 ? value : -value;
    products[1] += signs & 2 ? value : -value;
    products[2] += signs & 4 ? value : -value;
  }
  return [Math.sqrt(squares), ...products];
}

/** Largest difference of the four numbers, relative to the norm; NaN when a value was NaN. */
export function deviationOf(found: Fingerprint, answer: Fingerprint): number {
  const differences = found.map((value, i) => Math.abs(value - answer[i]!));
  return differences.reduce((largest, value) => (value <= largest ? largest : value), 0) / answer[0];
}
