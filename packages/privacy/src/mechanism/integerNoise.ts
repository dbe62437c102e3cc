import { DiscreteGaussian, MAX_DISCRETE_STD_DEV } from './discreteGaussian.ts';
import type { NoiseKind } from './plan.ts';
import { BufferedUniform, webCryptoRandom } from './random.ts';
import type { RandomSource } from './random.ts';

/** Where the mechanism takes its integer noise from. */
export type NoiseSource = {
  /** A plan that names another kind is refused. */
  readonly kind: NoiseKind;
  /**
   * Adds an independent integer with mean 0 and standard deviation of at least about `stdDev` to every element, in place.
   * @param values integers
   * @param stdDev > 0, in units of the integers
   * @throws {RangeError} stdDev is not in the range of this kind (`checkNoiseStdDev`)
   */
  addNoise(values: Float64Array, stdDev: number): void;
};

/** 8.6 standard deviations of it, and any sum they are added to, stay integers that float64 holds exactly. */
const MAX_ROUNDED_STD_DEV = 2 ** 44;

/**
 * The noise source of a plan.
 *
 * `rounded-gaussian`: round(N(0, stdDev²)), drawn in float64 by the Box-Muller transform from 53-bit uniforms. For an
 * integer s, s + round(g) = round(s + g): rounding afterwards is post-processing of the continuous Gaussian mechanism,
 * which the accountant knows; and what comes out is an integer, whose low bits tell nothing of the input. Two gaps to the
 * real normal distribution remain: no draw is beyond sqrt(2·53·ln 2) = 8.57 standard deviations (1e-17 of the mass), and
 * g itself is rounded to 53 bits, 2^-35 of a grid unit at the noise of a usual plan.
 *
 * `discrete-gaussian`: the exact sampler, see `DiscreteGaussian`, with stdDev rounded up to an integer.
 * @param random leave it out in product code
 */
export function noiseSource(kind: NoiseKind, random: RandomSource = webCryptoRandom): NoiseSource {
  switch (kind) {
    case 'rounded-gaussian':
      return { kind, addNoise: (values, stdDev) => addRoundedGaussian(values, stdDev, random) };
    case 'discrete-gaussian':
      return { kind, addNoise: (values, stdDev) => addDiscreteGaussian(values, stdDev, random) };
  }
}

/**
 * @param stdDev in units of the integers
 * @throws {RangeError} it is not over 0, or so large that the arithmetic of this kind would not be exact
 */
export function checkNoiseStdDev(kind: NoiseKind, stdDev: number): void {
  const most = kind === 'rounded-gaussian' ? MAX_ROUNDED_STD_DEV : MAX_DISCRETE_STD_DEV;
  if (!(stdDev > 0 && stdDev <= most)) {
    throw new RangeError(
      `expected ${kind} noise with a standard deviation over 0 and at most ${most} units, got ${stdDev}; ` +
        'choose a smaller noiseMultiplier',
    );
  }
}

function addRoundedGaussian(values: Float64Array, stdDev: number, random: RandomSource): void {
  checkNoiseStdDev('rounded-gaussian', stdDev);
  // A buffer of this call's own: nothing is drawn ahead and kept.
  const uniform = new BufferedUniform(random, Math.max(2, Math.min(values.length + 1, 8192)));
  for (let i = 0; i < values.length; i += 2) {
    const radius = stdDev * Math.sqrt(-2 * Math.log(uniform.next()));
    const angle = 2 * Math.PI * uniform.next();
    // + 0: a rounded −0.3 is −0, which added to −0 would stay so and tell the sign of what it hides
    values[i]! += Math.round(radius * Math.cos(angle)) + 0;
    if (i + 1 < values.length) values[i + 1]! += Math.round(radius * Math.sin(angle)) + 0;
  }
}

function addDiscreteGaussian(values: Float64Array, stdDev: number, random: RandomSource): void {
  checkNoiseStdDev('discrete-gaussian', stdDev);
  const gaussian = new DiscreteGaussian(Math.ceil(stdDev), random);
  for (let i = 0; i < values.length; i++) values[i]! += gaussian.next();
}
