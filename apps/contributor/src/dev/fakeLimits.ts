import type { RunPlan } from '@chorale/protocol';
import type { Limits, LimitsView } from '@chorale/client';
import type { FakeVariant } from './fakeRun.ts';

/** Epsilon after some rounds, with a square root in place of an accountant. */
export function fakeEpsilonAfter(planned: number | null, rounds: number, roundCount: number): number | null {
  return planned === null ? null : Math.ceil(1000 * planned * Math.sqrt(rounds / roundCount)) / 1000;
}

/** What limits come to, as the real controller would say it. */
export function fakeLimitsView(limits: Limits, plan: RunPlan, planned: number | null): LimitsView {
  const { count } = plan.config.rounds;
  const { epsilonLimit, leastNoiseMultiplier, mostRounds } = limits;
  const byEpsilon =
    planned === null || epsilonLimit === null
      ? count
      : Math.floor(count * Math.min(1, epsilonLimit / planned) ** 2 + 1e-9);
  const roundsAllowed = Math.min(count, mostRounds, byEpsilon);
  const refuse = (message: string): LimitsView => ({
    limits,
    problem: { code: 'LIMITS_EXCEEDED', message },
    roundsAllowed,
  });
  if (leastNoiseMultiplier !== null && leastNoiseMultiplier > plan.noiseMultiplier) {
    return refuse(
      `Expected a noise multiplier of at least ${leastNoiseMultiplier}, this run has ${plan.noiseMultiplier}. Lower this limit to ${plan.noiseMultiplier} to take part.`,
    );
  }
  if (roundsAllowed === 0) {
    const one = fakeEpsilonAfter(planned, 1, count);
    return refuse(`One round of this run costs ${one}. Raise this limit to that at least to take part.`);
  }
  return { limits, problem: null, roundsAllowed };
}

/** Limits as they would have been kept from an earlier visit. */
export function fakeKeptLimits(variant: FakeVariant, limits: Limits): Limits {
  if (variant === 'limited') return { ...limits, epsilonLimit: 3 };
  if (variant === 'refusing') return { ...limits, leastNoiseMultiplier: 2 };
  return limits;
}
