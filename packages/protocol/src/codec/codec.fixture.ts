import { noiseSource, startLocalRound } from '@chorale/privacy';
import type { PrivacyPlan, Privatized, RandomSource } from '@chorale/privacy';
import { ChoraleError } from '../errors.ts';
import type { ErrorCode } from '../errors.ts';
import type { Binding, Encoding } from './header.ts';

export const ENCODINGS = ['f32', 'f16', 'int8'] as const;
export const HEADER_BYTES = 88;

/** A run whose rounds all train everything. */
export function bindingOfTensors(encoding: Encoding, ...counts: number[]): Binding {
  const parameterCount = counts.reduce((sum, count) => sum + count, 0);
  return {
    planHash: '0a'.repeat(32),
    basisHash: 'f0'.repeat(32),
    parameterCount,
    tensors: counts.map((count, i) => ({ name: `tensor.${i}`, count })),
    trainedRanges: [{ start: 0, end: parameterCount }],
    encoding,
  };
}

/** One step of size 1, without noise. */
const ONE_STEP: PrivacyPlan = {
  unit: 'none',
  clipping: 'flat',
  clippingNorm: 1,
  noiseMultiplier: 0,
  noise: 'rounded-gaussian',
  samplingRate: 1,
  localSteps: 1,
  expectedBatchSize: 1,
  learningRate: 1,
  targetDelta: 1e-5,
  localMetricsNoiseMultiplier: null,
};

/** A marked update holding exactly these values. */
export function privatized(change: Float32Array): Privatized<Float32Array> {
  const round = startLocalRound(ONE_STEP, new Float32Array(change.length), noiseSource('rounded-gaussian'));
  round.step(Float64Array.from(change, (value) => -value));
  return round.finish();
}

/** @throws what is no ChoraleError, or when nothing is thrown */
export function codeOf(action: () => unknown): ErrorCode {
  try {
    action();
  } catch (error) {
    if (error instanceof ChoraleError) return error.code;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Repeatable: splitmix32 (Steele, Lea and Flood 2014, with 32-bit constants), enough for tests of means. */
export class TestRandom implements RandomSource {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.word();
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.word());
  }

  word(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }

  /** An integer from 0 to limit − 1. */
  below(limit: number): number {
    return Math.floor((this.word() / 2 ** 32) * limit);
  }

  /** About a standard normal variable: the sum of twelve uniform ones. */
  normal(): number {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += this.word() / 2 ** 32;
    return sum;
  }
}
