import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeUpdate, encodeUpdate } from '../updateCodec.ts';
import {
  ENCODINGS,
  HEADER_BYTES,
  TestRandom,
  bindingOfTensors,
  codeOf,
  privatized,
} from './codec.fixture.ts';
import type { Encoding } from './header.ts';
import { decodePlainly } from './plainDecoder.fixture.ts';

/** The largest value that an encoding has under 1e6: 1953 steps of 2^9, 127 steps of 7874. */
const LARGEST = { f32: 1e6, f16: 999_936, int8: 999_998 } as const;
const seeded = (seed: number) => new TestRandom(seed);

function through(encoding: Encoding, values: Float32Array, counts = [values.length], seed = 1): Float32Array {
  const binding = bindingOfTensors(encoding, ...counts);
  return decodeUpdate(encodeUpdate(privatized(values), 3, binding, null, seeded(seed)), binding).values;
}

/** How far two neighbours are apart there, from the largest magnitude of the tensor. */
function stepAt(encoding: 'f16' | 'int8', value: number, largest: number): number {
  if (encoding === 'int8') {
    // The scale has 17 bits, and is at least 2^-125: up to 2^-16 more than a 127th of the largest
    return Math.max(2 ** -125, (largest / 127) * (1 + 2 ** -16));
  }
  const exponentOf = (x: number) => Math.floor(Math.log2(x) + 1e-12);
  const scale = Math.max(2 ** -125, 2 ** (exponentOf(largest) - 14));
  const exponent = value === 0 ? -14 : Math.max(-14, exponentOf(Math.abs(value) / scale));
  return scale * 2 ** (exponent - 10);
}

/** Tensors of any sizes with any values that can be sent, denormal ones and zeros among them. */
const tensorsUpTo = (largest: number) =>
  fc.array(
    fc
      .tuple(
        fc.float32Array({ noNaN: true, min: -largest, max: largest, minLength: 1, maxLength: 20 }),
        fc.constantFrom(1, 1, 1e-3, 1e-9, 1e-30, 0),
      )
      .map(([values, factor]) => values.map((value) => value * factor)),
    { minLength: 1, maxLength: 5 },
  );

function joined(tensors: readonly Float32Array[]): Float32Array {
  return Float32Array.from(tensors.flatMap((tensor) => [...tensor]));
}

test.each(ENCODINGS)(
  'property, %s: the size follows from the plan alone, and two decoders agree',
  (encoding) => {
    const perValue = { f32: 4, f16: 2, int8: 1 }[encoding];
    fc.assert(
      fc.property(
        tensorsUpTo(LARGEST[encoding]),
        fc.integer(),
        fc.integer({ min: 0, max: 9 }),
        (tensors, seed, offset) => {
          const values = joined(tensors);
          const binding = bindingOfTensors(encoding, ...tensors.map(({ length }) => length));
          const bytes = encodeUpdate(privatized(values), 3, binding, null, seeded(seed));
          const scales = encoding === 'f32' ? 0 : tensors.length;
          expect(bytes).toHaveLength(HEADER_BYTES + 4 * scales + perValue * values.length);
          // At any offset into a larger buffer, and what is decoded is a copy
          const holder = new Uint8Array(bytes.length + 20).fill(0xff);
          holder.set(bytes, offset);
          const decoded = decodeUpdate(holder.subarray(offset, offset + bytes.length), binding);
          holder.fill(0);
          expect(decoded).toEqual({ ...decodePlainly(bytes, binding), values: decoded.values });
          expect(Array.from(decoded.values)).toEqual(decodePlainly(bytes, binding)!.values);
        },
      ),
      { numRuns: 300 },
    );
  },
);

test('property, f32: values come back bit by bit', () => {
  fc.assert(
    fc.property(tensorsUpTo(1e6), (tensors) => {
      const values = privatized(joined(tensors)).values;
      expect(through('f32', values)).toEqual(values);
    }),
  );
});

describe.each(['f16', 'int8'] as const)('%s', (encoding) => {
  test('property: no value is off by a whole step, and zeros stay zeros', () => {
    fc.assert(
      fc.property(tensorsUpTo(LARGEST[encoding]), fc.integer(), (tensors, seed) => {
        const decoded = through(
          encoding,
          joined(tensors),
          tensors.map(({ length }) => length),
          seed,
        );
        let at = 0;
        for (const tensor of tensors) {
          const largest = Math.max(...tensor.map(Math.abs));
          for (const value of tensor) {
            const error = Math.abs(decoded[at++]! - value);
            const step = value === 0 ? Number.MIN_VALUE : stepAt(encoding, value, largest);
            expect(error).toBeLessThan(step);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('property: values that it has are kept exactly, whatever the random bits', () => {
    // Codes under a scale that the encoder chooses as well: the largest is 127, or from 2^14 to 2^15
    const exact =
      encoding === 'int8'
        ? fc
            .tuple(
              fc.array(fc.integer({ min: -127, max: 127 }), { maxLength: 20 }),
              fc.integer({ min: 2 ** 16, max: 2 ** 17 - 1 }),
              fc.integer({ min: -141, max: -5 }),
            )
            .map(([codes, mantissa, exponent]) =>
              [...codes, 127].map((code) => code * mantissa * 2 ** exponent),
            )
        : fc
            .tuple(
              fc.array(fc.tuple(fc.integer({ min: -2048, max: 2048 }), fc.integer({ min: -24, max: 3 })), {
                maxLength: 20,
              }),
              fc.integer({ min: 1024, max: 2047 }),
              fc.integer({ min: -125, max: 4 }),
            )
            .map(([halves, largest, exponent]) =>
              [[largest, 4] as const, ...halves].map(([digits, power]) => digits * 2 ** (power + exponent)),
            );
    fc.assert(
      fc.property(exact, fc.integer(), (numbers, seed) => {
        const values = Float32Array.from(numbers);
        expect(Array.from(values)).toEqual(numbers);
        const decoded = through(encoding, values, [values.length], seed);
        for (const [i, value] of values.entries()) expect(decoded[i]! - value).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('each tensor has a scale of its own: a large one takes no precision from a small one', () => {
    const small = Float32Array.of(1e-6, -2.5e-7, 3e-8);
    const large = Float32Array.of(LARGEST[encoding], -500, 1);
    const decoded = through(encoding, joined([large, small]), [3, 3]);
    for (const [i, value] of small.entries()) {
      expect(Math.abs(decoded[3 + i]! - value)).toBeLessThan(stepAt(encoding, value, 1e-6));
    }
    expect(decoded[0]).toBe(LARGEST[encoding]);
  });

  test('unbiased: over many encodings the mean is the value', () => {
    const random = new TestRandom(11);
    const counts = [150, 50];
    const values = Float32Array.from({ length: 200 }, () => 0.01 * random.normal());
    const binding = bindingOfTensors(encoding, ...counts);
    const update = privatized(values);
    const trials = 2_000;
    const errors = new Float64Array(values.length);
    let bytes: Uint8Array = new Uint8Array();
    for (let trial = 0; trial < trials; trial++) {
      bytes = encodeUpdate(update, 1, binding, null, random);
      const decoded = decodeUpdate(bytes, binding).values;
      for (let i = 0; i < values.length; i++) errors[i]! += decoded[i]! - update.values[i]!;
    }
    // The error of one value, in steps, is 1 − p with probability p, else −p: mean 0, variance p (1 − p). Those that are
    // nearly always rounded one way are left out: they are not normal.
    const scores: number[] = [];
    for (const [i, value] of update.values.entries()) {
      const tensor = i < counts[0]! ? 0 : 1;
      const own = tensor === 0 ? update.values.subarray(0, counts[0]) : update.values.subarray(counts[0]);
      const step =
        encoding === 'int8'
          ? new DataView(bytes.buffer).getFloat32(HEADER_BYTES + 4 * tensor, true)
          : stepAt(encoding, value, Math.max(...own.map(Math.abs)));
      const p = (Math.abs(value) / step) % 1;
      if (trials * p * (1 - p) > 25) scores.push(errors[i]! / (step * Math.sqrt(trials * p * (1 - p))));
    }
    expect(scores.length).toBeGreaterThan(180);
    // Each value alone (over 5 by chance: 200 · 6e-7), and all together: the scores add up to nothing, their squares to one
    // a value, with a variance of 2 each. Rounding to the nearest would give scores in the tens.
    for (const score of scores) expect(Math.abs(score)).toBeLessThan(5);
    const total = scores.reduce((sum, score) => sum + score, 0) / Math.sqrt(scores.length);
    expect(Math.abs(total)).toBeLessThan(4);
    const squares = scores.reduce((sum, score) => sum + score * score, 0);
    expect(Math.abs(squares - scores.length)).toBeLessThan(5 * Math.sqrt(2 * scores.length));
  });

  test('its error is that of rounding at random: the variance is p (1 − p) steps squared', () => {
    const values = Float32Array.of(1, 0.3); // of the two the first one makes the scale and is nearly or wholly exact
    const binding = bindingOfTensors(encoding, 2);
    const random = new TestRandom(12);
    const seen = new Map<number, number>();
    const trials = 20_000;
    for (let i = 0; i < trials; i++) {
      const decoded = decodeUpdate(
        encodeUpdate(privatized(values), 1, binding, null, random),
        binding,
      ).values;
      seen.set(decoded[1]!, (seen.get(decoded[1]!) ?? 0) + 1);
    }
    const [low, high] = [...seen.keys()].toSorted((a, b) => a - b) as [number, number];
    expect(seen.size).toBe(2);
    const value = values[1]!;
    const p = (value - low) / (high - low);
    expect(low).toBeLessThan(value);
    expect(high).toBeGreaterThan(value);
    const z = (seen.get(high)! - trials * p) / Math.sqrt(trials * p * (1 - p));
    expect(Math.abs(z)).toBeLessThan(4);
  });

  test('a tab rounds with Web Crypto: twice the same update is not twice the same bytes', () => {
    const values = privatized(Float32Array.from({ length: 500 }, (_, i) => Math.sin(i)));
    const binding = bindingOfTensors(encoding, 500);
    const [first, second] = [encodeUpdate(values, 1, binding), encodeUpdate(values, 1, binding)];
    expect(first).not.toEqual(second); // equal by chance: under 2^-100
    const header = HEADER_BYTES + 4;
    expect(first.subarray(0, header)).toEqual(second.subarray(0, header));
  });

  test('a tensor of zeros has the scale 0 and nothing but zero bytes, whatever sign they had', () => {
    const binding = bindingOfTensors(encoding, 2, 3);
    const bytes = encodeUpdate(privatized(Float32Array.of(1, 2, 0, -0, 0)), 1, binding);
    expect(new DataView(bytes.buffer).getUint32(HEADER_BYTES + 4, true)).toBe(0);
    const size = encoding === 'f16' ? 2 : 1;
    expect(bytes.subarray(-3 * size).every((byte) => byte === 0)).toBe(true);
  });
});

describe.each(ENCODINGS)('%s: what cannot be sent is refused before it is', (encoding) => {
  const encode = (value: number) =>
    encodeUpdate(
      { ...privatized(Float32Array.of(1)), values: Float32Array.of(0, value) },
      1,
      bindingOfTensors(encoding, 2),
    );

  test('the largest value passes, the next float32 does not', () => {
    const largest = LARGEST[encoding];
    const binding = bindingOfTensors(encoding, 2);
    for (const sign of [1, -1]) {
      for (let trial = 0; trial < 50; trial++) {
        const { values } = decodeUpdate(encode(sign * largest), binding);
        expect(values[1]).toBe(sign * largest);
      }
      expect(codeOf(() => encode(sign * (largest + 0.0625)))).toBe('UPDATE_NOT_FINITE');
    }
  });

  test('property: just under the largest rounding up does not get over it either', () => {
    const binding = bindingOfTensors(encoding, 2);
    fc.assert(
      fc.property(
        fc.float({ min: LARGEST[encoding] - 2_000, max: LARGEST[encoding], noNaN: true }),
        (value) => {
          expect(Math.abs(decodeUpdate(encode(value), binding).values[1]!)).toBeLessThanOrEqual(1e6);
        },
      ),
    );
  });

  test.each([NaN, Infinity, -Infinity, 1e7, 3.4e38])('%s', (value) => {
    expect(codeOf(() => encode(value))).toBe('UPDATE_NOT_FINITE');
  });
});

test('a range that cuts a tensor has no scales', () => {
  const binding = { ...bindingOfTensors('int8', 4, 4), trainedRanges: [{ start: 0, end: 6 }] };
  expect(() => encodeUpdate(privatized(new Float32Array(6)), 1, binding)).toThrow(RangeError);
});
