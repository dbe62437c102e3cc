export type { Privatized } from './privatized.ts';
export type {
  DpEvent,
  PoissonSampledGaussianEvent,
  SelfComposedEvent,
  ComposedEvent,
  NonPrivateEvent,
  PrivacyUnit,
  NeighbouringRelation,
} from './events.ts';
export { webCryptoRandom } from './random.ts';
export type { RandomSource } from './random.ts';
export { poissonSample } from './poissonSample.ts';
export { webCryptoNoise } from './gaussianNoise.ts';
export type { NoiseSource } from './gaussianNoise.ts';
export { clipFactors } from './clip.ts';
export {
  checkPrivacyPlan,
  roundEvent,
  eventOfRounds,
  spentEpsilonAfter,
  roundsWithin,
  stepNoiseStdDev,
} from './plan.ts';
export type { PrivacyPlan } from './plan.ts';
export { RDP_ORDERS, supports, rdpOfEvent, rdpEpsilon, reportEpsilon } from './rdpAccountant.ts';
export { noiseMultiplierFor } from './calibration.ts';
export type { CalibrationTarget } from './calibration.ts';
export { DpSgd, NumericalError } from './dpSgd.ts';
