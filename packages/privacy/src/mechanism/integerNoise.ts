import { DiscreteGaussian, MAX_DISCRETE_STD_DEV } from './discreteGaussian.ts';
import { markNoiseSource } from './noiseSource.ts';
import type { NoiseSource } from './noiseSource.ts';
import type { NoiseKind } from './plan.ts';
import { BufferedUniform, webCryptoRandom } from './random.ts';
import type { RandomSource } from './random.ts';

/** 12.2 standard deviations of it, and any sum they are added to, stay integers that float64 holds exactly. */
const MAX_ROUNDED_STD_DEV = 2 ** 44;

/**
 * The noise source of a plan.
 *
 * `rounded-gaussian`: round(N(0, stdDev²)), drawn in float64 by the Box-Muller transform, the radius from 106 random bits
 * and the angle from 53. For an integer s, s + round(g) = round(s + g): rounding afterwards is post-processing of the
 * continuous Gaussian mechanism, which the accountant knows. What is drawn in place of a real normal pair is a point of a
 * polar grid, and the gaps are these:
 * - Neighbouring radii are less than half a unit apart up to 11.3 standard deviations at 65,536 units, a usual noise
 *   (9.4 at the 2^44 units that are allowed), and neighbouring angles at most 0.15 of a unit. Up to there every pair of
 *   integers can come out of every input; beyond there are 2e-28 (5e-20) of the mass, and beyond sqrt(2·106·ln 2) = 12.1
 *   standard deviations nothing.
 * - Radius and g are rounded to 53 bits, 5e-11 of a unit at that usual noise, so the chance of an integer is off by about
 *   one part in 1e10, and by more the nearer the radii are to that edge.
 * The accountant counts neither; that they are nothing beside targetDelta is an estimate. `discrete-gaussian` has no gaps.
 *
 * `discrete-gaussian`: the exact sampler, see `DiscreteGaussian`, with stdDev rounded up to an integer.
 */
export function noiseSource(kind: NoiseKind): NoiseSource {
  return integerNoise(kind, webCryptoRandom);
}

/** `noiseSource` from given random bytes. Not exported from the package but by `simulation.ts`, for what holds no secret. */
export function integerNoise(kind: NoiseKind, random: RandomSource): NoiseSource {
  switch (kind) {
    case 'rounded-gaussian':
      return markNoiseSource(kind, (values, stdDev) => addRoundedGaussian(values, stdDev, random));
    case 'discrete-gaussian':
      return markNoiseSource(kind, (values, stdDev) => addDiscreteGaussian(values, stdDev, random));
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
  const uniform = new BufferedUniform(random, Math.min(3 * Math.ceil(values.length / 2) || 1, 8192));
  for (let i = 0; i < values.length; i += 2) {
    const radius = stdDev * Math.sqrt(2 * uniform.exponential());
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
