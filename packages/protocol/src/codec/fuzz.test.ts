import { describe, expect, test } from 'vitest';
import { ChoraleError } from '../errors.ts';
import { decodeUpdate, encodeUpdate } from '../updateCodec.ts';
import { ENCODINGS, HEADER_BYTES, TestRandom, bindingOfTensors, privatized } from './codec.fixture.ts';
import type { Binding } from './header.ts';
import { decodePlainly } from './plainDecoder.fixture.ts';

const BUFFERS = 30_000;
const COUNTS = [3, 1, 5, 2];
const VALUE_COUNT = 11;

const STRANGE = [
  NaN,
  Infinity,
  -Infinity,
  -0,
  -1,
  1e-45,
  2 ** -126,
  2 ** -125,
  1,
  1 + 2 ** -23,
  1e6,
  2e6,
  3e38,
];

/** Values of one magnitude out of many, some zero. */
function someValues(random: TestRandom): Float32Array {
  const magnitude = 10 ** (random.below(12) - 7);
  return Float32Array.from({ length: VALUE_COUNT }, () =>
    random.below(8) === 0 ? 0 : magnitude * random.normal(),
  );
}

/** A buffer that is an update, nearly one, or nothing of the kind. */
function someBuffer(random: TestRandom, binding: Binding, updates: readonly Uint8Array[]): Uint8Array {
  const bytes = updates[random.below(updates.length)]!.slice();
  const randomBytes = (from: number) => random.fill(bytes.subarray(from));
  switch (random.below(7)) {
    case 0: {
      return random.bytes(random.below(200));
    }
    case 1:
      randomBytes(HEADER_BYTES);
      return bytes;
    case 2: {
      // Good scales, random codes
      const scaleBytes = binding.encoding === 'f32' ? 0 : 4 * COUNTS.length;
      randomBytes(HEADER_BYTES + scaleBytes);
      return bytes;
    }
    case 3:
      return bytes.slice(0, random.below(bytes.length + 1));
    case 4: {
      const longer = new Uint8Array(bytes.length + 1 + random.below(20));
      longer.set(bytes);
      return longer;
    }
    case 5: {
      // A number that is none, or no scale, or too large, among the scales or values
      const slots = Math.floor((bytes.length - HEADER_BYTES) / 4);
      const number = STRANGE[random.below(STRANGE.length)]!;
      new DataView(bytes.buffer).setFloat32(HEADER_BYTES + 4 * random.below(slots), number, true);
      return bytes;
    }
    default:
      for (let i = 0; i <= random.below(3); i++) bytes[random.below(bytes.length)] = random.word();
      return bytes;
  }
}

describe.each(ENCODINGS)('%s', (encoding) => {
  test(`${BUFFERS} random and mutated buffers: refused with a code, or read as the plain decoder reads them`, () => {
    const random = new TestRandom(20_261_122);
    const binding = bindingOfTensors(encoding, ...COUNTS);
    const updates = Array.from({ length: 200 }, () =>
      encodeUpdate(privatized(someValues(random)), 1 + random.below(9), binding, null, random),
    );
    const outcomes: Record<string, number> = { accepted: 0 };
    for (let i = 0; i < BUFFERS; i++) {
      const bytes = someBuffer(random, binding, updates);
      const before = bytes.slice();
      const plain = decodePlainly(bytes, binding);
      try {
        const decoded = decodeUpdate(bytes, binding);
        outcomes['accepted']! += 1;
        if (plain === null) throw new Error(`buffer ${i} was accepted, and is none`);
        expect(decoded.round).toBe(plain.round);
        expect(decoded.localCounts).toEqual(plain.localCounts);
        expect(isSame(decoded.values, plain.values)).toBe(true);
        requireSendable(decoded.values, binding, random);
      } catch (error) {
        if (!(error instanceof ChoraleError)) throw error;
        if (plain !== null) throw new Error(`buffer ${i} was refused: ${error.message}`, { cause: error });
        outcomes[error.code] = (outcomes[error.code] ?? 0) + 1;
      }
      if (!isSame(bytes, before)) throw new Error(`buffer ${i} was written to`);
    }
    // Each way out was taken often, so that the comparison says something
    expect(Object.keys(outcomes).toSorted()).toEqual([
      'UPDATE_MALFORMED',
      'UPDATE_NOT_FINITE',
      'UPDATE_SIZE',
      'accepted',
    ]);
    for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(BUFFERS / 100);
  });
});

/** Element by element; `toEqual` would take seconds. */
function isSame(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

/** Whatever was accepted can be encoded again, and comes back within a step of the tensor's largest value. */
function requireSendable(values: Float32Array, binding: Binding, random: TestRandom): void {
  if (values.some((value) => Math.abs(value) > 999_936)) return; // the codecs of f16 and int8 end there
  const update = { ...privatized(Float32Array.of(1)), values };
  const again = decodeUpdate(encodeUpdate(update, 1, binding, null, random), binding).values;
  let start = 0;
  for (const count of COUNTS) {
    const tensor = values.subarray(start, start + count);
    const step =
      binding.encoding === 'f32' ? 0 : Math.max(2 ** -125, Math.max(...tensor.map(Math.abs)) / 126);
    for (const [i, value] of tensor.entries()) {
      if (!(Math.abs(again[start + i]! - value) <= step))
        throw new Error(`${value} became ${again[start + i]}`);
    }
    start += count;
  }
}
