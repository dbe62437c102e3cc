import { ContributorUpdate } from './contributorUpdate.ts';
import { DpSgd } from './dpSgd.ts';
import type { LocalRound } from './localRound.ts';
import { mechanismOf } from './mechanism.ts';
import { requireNoise } from './noiseSource.ts';
import type { NoiseSource } from './noiseSource.ts';
import type { PrivacyPlan } from './plan.ts';
import { UnprotectedSgd } from './unprotectedSgd.ts';

/**
 * Starts a round of the mechanism that the plan's unit names.
 * @param parameters the global parameters, shape [parameterCount]; copied, all finite
 * @param noise      `noiseSource(plan.noise)` in product code; not used when the unit is `none`
 * @throws {TypeError} the noise is none that `noiseSource` made
 * @throws {RangeError} a field of the plan is out of its range, the noise is of another kind, or there are no parameters
 * @throws {NumericalError} a parameter is not finite
 */
export function startLocalRound(plan: PrivacyPlan, parameters: Float32Array, noise: NoiseSource): LocalRound {
  const mechanism = mechanismOf(plan);
  requireNoise(noise, mechanism.plan.noise);
  switch (mechanism.plan.unit) {
    case 'example':
      return new DpSgd(mechanism, parameters, noise);
    case 'contributor':
      return new ContributorUpdate(mechanism, parameters, noise);
    case 'none':
      return new UnprotectedSgd(mechanism, parameters);
  }
}
