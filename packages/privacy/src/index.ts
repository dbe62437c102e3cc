export type { Privatized } from './mechanism/privatized.ts';
export type {
  DpEvent,
  GaussianEvent,
  PoissonSampledGaussianEvent,
  SelfComposedEvent,
  ComposedEvent,
  NonPrivateEvent,
  PrivacyUnit,
  NeighbouringRelation,
} from './events.ts';
// The mechanism
export { webCryptoRandom } from './mechanism/random.ts';
export type { RandomSource } from './mechanism/random.ts';
export { poissonSample } from './mechanism/poissonSample.ts';
export { webCryptoNoise } from './mechanism/gaussianNoise.ts';
export type { NoiseSource } from './mechanism/gaussianNoise.ts';
export { clipFactors } from './mechanism/clip.ts';
export { checkPrivacyPlan, roundEvent, eventOfRounds, sensitivityOf, noiseStdDev } from './mechanism/plan.ts';
export type { PrivacyPlan, ClippingRule, NoiseKind } from './mechanism/plan.ts';
export { DpSgd, NumericalError } from './mechanism/dpSgd.ts';
// Accounting
export { RDP_ORDERS, supports, rdpOfEvent, rdpEpsilon } from './accounting/rdpAccountant.ts';
export { reportedEpsilon } from './accounting/reportedEpsilon.ts';
export type { ReportedEpsilon } from './accounting/reportedEpsilon.ts';
export { roundEpsilonUp } from './accounting/roundEpsilonUp.ts';
export { spentEpsilonAfter, roundsWithin } from './accounting/epsilonOfPlan.ts';
export { noiseMultiplierFor } from './accounting/calibration.ts';
export type { CalibrationTarget } from './accounting/calibration.ts';
