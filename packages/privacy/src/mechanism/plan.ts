import { dpSgdEvent } from '../dpSgdEvent.ts';
import type { DpEvent, PrivacyUnit } from '../events.ts';
import { checkClippingNorm } from './clippingNorm.ts';

/** How one unit's value is brought to an L2 norm of at most clippingNorm; see `clipFactors`. */
export type ClippingRule = 'flat' | 'automatic';

/** Where the integer noise comes from; see `noiseSource`. */
export type NoiseKind = 'rounded-gaussian' | 'discrete-gaussian';

/** The public constants of one run's mechanism. Fixed before the first release; never derived from private data. */
export type PrivacyPlan = {
  unit: PrivacyUnit;
  clipping: ClippingRule;
  /**
   * L2 bound C over all trained parameters: of one example's gradient in a step when the unit is `example`, of the whole
   * change of a round when it is `contributor`; without meaning when it is `none`. From 1e-12 to 1e12.
   */
  clippingNorm: number;
  /** Noise standard deviation over the sensitivity (`sensitivityOf`); 0 exactly when unit is `none`. */
  noiseMultiplier: number;
  noise: NoiseKind;
  /** Poisson inclusion probability of each example in each step, in (0, 1]. */
  samplingRate: number;
  /** Steps a tab takes per round. */
  localSteps: number;
  /** Public divisor of the gradient sum; never the size of the batch that was drawn. */
  expectedBatchSize: number;
  learningRate: number;
  /** In (0, 1); without meaning, and allowed to be 0, when unit is `none`. */
  targetDelta: number;
  /**
   * Noise of the two counts (right, all) a tab reports of its own rows each round, as a multiple of their L2
   * sensitivity sqrt(2); null: a tab reports none. Only with unit `example`.
   */
  localMetricsNoiseMultiplier: number | null;
};

/**
 * @throws {RangeError} naming the first field that is out of its range and its value
 */
export function checkPrivacyPlan(plan: PrivacyPlan): void {
  requireOneOf('unit', plan.unit, ['example', 'contributor', 'none']);
  requireOneOf('clipping', plan.clipping, ['flat', 'automatic']);
  requireOneOf('noise', plan.noise, ['rounded-gaussian', 'discrete-gaussian']);
  checkClippingNorm(plan.clippingNorm);
  if (plan.unit !== 'none') {
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
  if (plan.localMetricsNoiseMultiplier !== null) {
    requirePositive('localMetricsNoiseMultiplier', plan.localMetricsNoiseMultiplier);
    if (plan.unit !== 'example') {
      throw new RangeError(
        `localMetricsNoiseMultiplier needs unit 'example', got '${plan.unit}': no bound is known for other units`,
      );
    }
  }
}

/**
 * L2 sensitivity of what the noise is added to, unit of the gradient (or of the parameters, for `contributor`).
 * Zero-out of one example changes a clipped sum by at most C; replacing a contributor's whole change, itself at most C
 * long, by another one moves it by at most 2C.
 * @throws {RangeError} the plan is out of range, or protects nobody
 */
export function sensitivityOf(plan: PrivacyPlan): number {
  checkPrivacyPlan(plan);
  if (plan.unit === 'none') throw new RangeError("a plan with unit 'none' has no sensitivity");
  return plan.unit === 'example' ? plan.clippingNorm : 2 * plan.clippingNorm;
}

/** What one round of a tab releases. */
export function roundEvent(plan: PrivacyPlan): DpEvent {
  checkPrivacyPlan(plan);
  const { unit, noiseMultiplier, samplingRate, localSteps, localMetricsNoiseMultiplier } = plan;
  if (unit === 'none') return { type: 'non-private' };
  if (unit === 'contributor') {
    return { type: 'gaussian', privacyUnit: 'contributor', neighbouringRelation: 'replace', noiseMultiplier };
  }
  const steps = dpSgdEvent(samplingRate, noiseMultiplier, localSteps);
  if (localMetricsNoiseMultiplier === null) return steps;
  const metrics: DpEvent = {
    type: 'gaussian',
    privacyUnit: 'example',
    neighbouringRelation: 'zero-out',
    noiseMultiplier: localMetricsNoiseMultiplier,
  };
  return { type: 'composed', events: [steps, metrics] };
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

function requireOneOf(field: keyof PrivacyPlan, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) {
    throw new RangeError(`${field} must be one of ${allowed.join(', ')}, got ${value}`);
  }
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
