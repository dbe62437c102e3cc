import type { RunPlan } from '@chorale/protocol';
import type { Limits, LimitsView } from '@chorale/client';

export type LimitField = keyof Limits;

/** Limits that allow just what the whole plan asks for. */
export function limitsOfPlan(plan: RunPlan, plannedEpsilon: number | null): Limits {
  const isPrivate = plan.config.privacy.unit !== 'none';
  return {
    epsilonLimit: isPrivate ? plannedEpsilon : null,
    leastNoiseMultiplier: isPrivate ? leastNoiseOf(plan) : null,
    mostRounds: plan.config.rounds.count,
  };
}

/** The least noise multiplier of anything a tab sends under the plan. */
export function leastNoiseOf({ noiseMultiplier, config }: RunPlan): number {
  return Math.min(noiseMultiplier, config.localMetrics?.noiseMultiplier ?? Infinity);
}

/**
 * What somebody wrote into a field of her limits.
 * @returns a number over 0, for rounds a whole one; null when the text is none
 */
export function parseLimit(field: LimitField, text: string): number | null {
  // "0,5" is how many people write a half.
  const trimmed = text.trim().replace(',', '.');
  if (!/^\d*\.?\d+(e-?\d+)?$|^\d+\.$/i.test(trimmed)) return null;
  const value = Number(trimmed);
  if (!(value > 0 && value < Infinity)) return null;
  return field === 'mostRounds' && !Number.isSafeInteger(value) ? null : value;
}

/** The field beside which a problem belongs; null when there is no problem, or none of the fields is to blame. */
export function fieldToBlame(
  { limits, problem, roundsAllowed }: LimitsView,
  plan: RunPlan,
): LimitField | null {
  if (problem === null) return null;
  const { leastNoiseMultiplier, epsilonLimit } = limits;
  if (leastNoiseMultiplier !== null && leastNoiseMultiplier > leastNoiseOf(plan)) {
    return 'leastNoiseMultiplier';
  }
  return epsilonLimit !== null && roundsAllowed === 0 ? 'epsilonLimit' : null;
}

/**
 * The most epsilon that can be spent in the run: her own limit, or what the plan costs where that is less.
 * @returns null when the run protects nothing, or is not loaded
 */
export function allowedEpsilon(view: LimitsView | null, plannedEpsilon: number | null): number | null {
  if (plannedEpsilon === null) return null;
  return Math.min(plannedEpsilon, view?.limits.epsilonLimit ?? plannedEpsilon);
}
