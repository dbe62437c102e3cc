export type { Privatized } from './mechanism/privatized.ts';
export type { DpEvent, PrivacyUnit } from './events.ts';
export { dpSgdEvent } from './dpSgdEvent.ts';
// The mechanism
export { webCryptoRandom } from './mechanism/random.ts';
export type { RandomSource } from './mechanism/random.ts';
export { poissonSample } from './mechanism/poissonSample.ts';
export { noiseSource } from './mechanism/integerNoise.ts';
export type { NoiseSource } from './mechanism/noiseSource.ts';
export { GRID_UNITS, MAX_MICRO_BATCH_SIZE } from './mechanism/grid.ts';
export { roundEvent, eventOfRounds } from './mechanism/plan.ts';
export type { PrivacyPlan, ClippingRule, NoiseKind } from './mechanism/plan.ts';
export { mechanismOf } from './mechanism/mechanism.ts';
export type { Mechanism } from './mechanism/mechanism.ts';
export { startLocalRound } from './mechanism/startLocalRound.ts';
export { NumericalError } from './mechanism/localRound.ts';
export type { LocalRound } from './mechanism/localRound.ts';
export { noisyLocalCounts } from './mechanism/localCounts.ts';
export type { LocalCounts } from './mechanism/localCounts.ts';
// Accounting
export { rdpSupports, rdpEpsilon } from './accounting/rdpAccountant.ts';
export { pldSupports, pldEpsilon, privacyProfile } from './accounting/pldAccountant.ts';
export type { PrivacyProfile } from './accounting/pldAccountant.ts';
export { reportedEpsilon } from './accounting/reportedEpsilon.ts';
export type { ReportedEpsilon } from './accounting/reportedEpsilon.ts';
export { roundEpsilonUp } from './accounting/roundEpsilonUp.ts';
export { spentEpsilonAfter, roundsWithin } from './accounting/epsilonOfPlan.ts';
export { noiseMultiplierFor, stepsWithin } from './accounting/calibration.ts';
export { RdpOdometer, bestOrder } from './accounting/odometer.ts';
export { parseDpEvent } from './accounting/parseEvent.ts';
// Auditing
export { canaryScorer, scoreThresholds } from './auditing/canaryScore.ts';
export { errorRates, refutation, plainEpsilonBound, noiseMultiplierUpper } from './auditing/canaryGame.ts';
export type { ErrorRates } from './auditing/canaryGame.ts';
export { CoinTally, NoiseTally } from './auditing/momentChecks.ts';
export type { CoinCheck, NoiseCheck } from './auditing/momentChecks.ts';
export { TradeOffCurve } from './auditing/tradeOffCurve.ts';
export { soundDelta } from './auditing/soundDelta.ts';
