import type { NoiseKind } from './plan.ts';

declare const genuine: unique symbol;

/**
 * Where the mechanism takes its integer noise from. An object that only looks like one is refused: the mark `Privatized`
 * rests on the noise.
 */
export type NoiseSource = {
  /** A plan that names another kind is refused. */
  readonly kind: NoiseKind;
  /**
   * Adds an independent integer with mean 0 and standard deviation of at least about `stdDev` to every element, in place.
   * @param values integers
   * @param stdDev > 0, in units of the integers
   * @throws {RangeError} stdDev is not in the range of this kind (`checkNoiseStdDev`)
   */
  readonly addNoise: AddNoise;
  readonly [genuine]: true;
};

export type AddNoise = (values: Float64Array, stdDev: number) => void;

const marked = new WeakSet<NoiseSource>();

/** Not exported from the package: `noiseSource` grants the mark, and `testing/scriptedNoise` for tests. */
export function markNoiseSource(kind: NoiseKind, addNoise: AddNoise): NoiseSource {
  const source = Object.freeze({ kind, addNoise }) as NoiseSource;
  marked.add(source);
  return source;
}

/**
 * @throws {TypeError} the source does not come from `noiseSource`
 * @throws {RangeError} it makes another kind of noise than the plan names
 */
export function requireNoise(source: NoiseSource, kind: NoiseKind): void {
  if (!marked.has(source)) {
    throw new TypeError('expected the noise that noiseSource(plan.noise) returns, got another object');
  }
  if (source.kind !== kind) {
    throw new RangeError(`expected a source of ${kind} noise, as the plan says, got ${source.kind}`);
  }
}
