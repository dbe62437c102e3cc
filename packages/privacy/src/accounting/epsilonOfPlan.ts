import type { PrivacyPlan } from '../mechanism/plan.ts';
import { eventOfRounds, roundEvent } from '../mechanism/plan.ts';
import { stepsWithin } from './calibration.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';

/**
 * Epsilon at `plan.targetDelta` of a tab that took part in `rounds` rounds. Not rounded: see `roundEpsilonUp`.
 * @returns 0 after no round; Infinity after any round of a run without protection
 * @throws {RangeError} the plan or rounds is out of range
 */
export function spentEpsilonAfter(plan: PrivacyPlan, rounds: number): number {
  const event = eventOfRounds(plan, rounds);
  if (rounds === 0) return 0;
  if (plan.unit === 'none') return Infinity;
  return reportedEpsilon(event, plan.targetDelta).epsilon;
}

/**
 * How many rounds a tab may take part in until its epsilon would cross a limit.
 * @param epsilonLimit ≥ 0, or Infinity
 * @param maxRounds    an integer ≥ 0
 * @returns the largest count from 0 to maxRounds whose `spentEpsilonAfter` is at most epsilonLimit
 * @throws {RangeError} an argument is out of range
 */
export function roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): number {
  if (!Number.isSafeInteger(maxRounds) || maxRounds < 0) {
    throw new RangeError(`maxRounds must be an integer of at least 0, got ${maxRounds}`);
  }
  if (!(epsilonLimit >= 0)) throw new RangeError(`epsilonLimit must be at least 0, got ${epsilonLimit}`);
  const event = roundEvent(plan);
  if (plan.unit === 'none') return epsilonLimit === Infinity ? maxRounds : 0;
  return stepsWithin({ spent: null, event, epsilonLimit, delta: plan.targetDelta, most: maxRounds });
}
