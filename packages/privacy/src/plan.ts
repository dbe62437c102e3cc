import type { DpEvent, PrivacyUnit } from './events.ts';
import { rdpEpsilon } from './rdpAccountant.ts';

/** The public constants of one run's mechanism. Fixed before the first release; never derived from private data. */
export type PrivacyPlan = {
  unit: PrivacyUnit;
  /** L2 bound C on one example's gradient over all trained parameters. */
  clippingNorm: number;
  /** Noise standard deviation over clippingNorm; 0 exactly when unit is `none`. */
  noiseMultiplier: number;
  /** Poisson inclusion probability of each example in each step, in (0, 1]. */
  samplingRate: number;
  /** Noised steps a tab takes per round. */
  localSteps: number;
  /** Public divisor of the noisy gradient sum; never the size of the batch that was drawn. */
  expectedBatchSize: number;
  learningRate: number;
  /** In (0, 1); without meaning, and allowed to be 0, when unit is `none`. */
  targetDelta: number;
};

/**
 * @throws {RangeError} naming the first field that is out of its range and its value
 */
export function checkPrivacyPlan(plan: PrivacyPlan): void {
  if (plan.unit !== 'example' && plan.unit !== 'none') {
    throw new RangeError(`unit must be 'example' or 'none', got ${String(plan.unit)}`);
  }
  requirePositive('clippingNorm', plan.clippingNorm);
  if (plan.unit === 'example') {
    requirePositive('noiseMultiplier', plan.noiseMultiplier);
  } else if (plan.noiseMultiplier !== 0) {
    throw new RangeError(`noiseMultiplier must be 0 when unit is 'none', got ${plan.noiseMultiplier}`);
  }
  if (!(plan.samplingRate > 0 && plan.samplingRate <= 1)) {
    throw new RangeError(`samplingRate must be in (0, 1], got ${plan.samplingRate}`);
  }
  if (!Number.isSafeInteger(plan.localSteps) || plan.localSteps < 1) {
    throw new RangeError(`localSteps must be an integer of at least 1, got ${plan.localSteps}`);
  }
  requirePositive('expectedBatchSize', plan.expectedBatchSize);
  requirePositive('learningRate', plan.learningRate);
  const deltaFits =
    plan.targetDelta < 1 && (plan.unit === 'none' ? plan.targetDelta >= 0 : plan.targetDelta > 0);
  if (!deltaFits) throw new RangeError(`targetDelta must be in (0, 1), got ${plan.targetDelta}`);
}

/** What one round of a tab releases. */
export function roundEvent(plan: PrivacyPlan): DpEvent {
  checkPrivacyPlan(plan);
  if (plan.unit === 'none') return { type: 'non-private' };
  return {
    type: 'self-composed',
    event: {
      type: 'poisson-sampled-gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      samplingRate: plan.samplingRate,
      noiseMultiplier: plan.noiseMultiplier,
    },
    count: plan.localSteps,
  };
}

/**
 * What `rounds` rounds of a tab release together. Rounds in which the tab took no part cost it nothing; the server's
 * choice of cohorts amplifies nothing against that server.
 * @param rounds an integer ≥ 0
 * @throws {RangeError} the plan or rounds is out of range
 */
export function eventOfRounds(plan: PrivacyPlan, rounds: number): DpEvent {
  requireCount('rounds', rounds);
  return { type: 'self-composed', event: roundEvent(plan), count: rounds };
}

/**
 * Epsilon at `plan.targetDelta` of a tab that took part in `rounds` rounds. Not rounded: see `reportEpsilon`.
 * @returns 0 after no round; Infinity after any round of a run without protection
 * @throws {RangeError} the plan or rounds is out of range
 */
export function spentEpsilonAfter(plan: PrivacyPlan, rounds: number): number {
  const event = eventOfRounds(plan, rounds);
  if (rounds === 0) return 0;
  if (plan.unit === 'none') return Infinity;
  return rdpEpsilon(event, plan.targetDelta);
}

/**
 * How many rounds a tab may take part in until its epsilon would cross a limit.
 * @param epsilonLimit ≥ 0, or Infinity
 * @param maxRounds    an integer ≥ 0
 * @returns the largest count from 0 to maxRounds whose `spentEpsilonAfter` is at most epsilonLimit
 * @throws {RangeError} an argument is out of range
 */
export function roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): number {
  requireCount('maxRounds', maxRounds);
  if (!(epsilonLimit >= 0)) throw new RangeError(`epsilonLimit must be at least 0, got ${epsilonLimit}`);
  if (spentEpsilonAfter(plan, maxRounds) <= epsilonLimit) return maxRounds;
  let within = 0;
  let beyond = maxRounds;
  while (beyond - within > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (spentEpsilonAfter(plan, middle) <= epsilonLimit) within = middle;
    else beyond = middle;
  }
  return within;
}

/** Standard deviation of the noise on each coordinate of one step's gradient sum, unit of the gradient. */
export function stepNoiseStdDev(plan: PrivacyPlan): number {
  return plan.noiseMultiplier * plan.clippingNorm;
}

function requirePositive(field: keyof PrivacyPlan, value: number): void {
  if (!(value > 0 && value < Infinity)) {
    throw new RangeError(`${field} must be a finite number over 0, got ${value}`);
  }
}

function requireCount(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${name} must be an integer of at least 0, got ${value}`);
  }
}
