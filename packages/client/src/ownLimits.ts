import type { PrivacyPlan } from '@chorale/privacy';
import { eventOfRounds, roundEpsilonUp } from '@chorale/privacy';
import { limitsSchema } from './ledgerSchema.ts';
import type { PricedEpsilon } from './accounting.ts';
import type { ClientError, Limits, LimitsView } from './state.ts';

/** What an own limit is held against. */
export type LimitedRun = {
  plan: PrivacyPlan;
  roundCount: number;
  /** Rounded up; null when the run protects nobody. */
  plannedEpsilon: number | null;
};

/** The two questions of limits to the accountant. */
export type LimitsAccountant = {
  epsilonOf(event: ReturnType<typeof eventOfRounds>, delta: number): Promise<PricedEpsilon>;
  roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): Promise<number>;
};

/** Just what the whole plan asks for. */
export function limitsOfPlan({ plan, roundCount, plannedEpsilon }: LimitedRun): Limits {
  return {
    epsilonLimit: plannedEpsilon,
    leastNoiseMultiplier: plan.unit === 'none' ? null : leastNoiseOf(plan),
    mostRounds: roundCount,
  };
}

/** What can be said of limits at once: values out of range, and a plan that they refuse whatever its rounds cost. */
export function problemAtOnce(limits: Limits, { plan }: LimitedRun): ClientError | null {
  const checked = limitsSchema.safeParse(limits);
  if (!checked.success) {
    const [issue] = checked.error.issues;
    return exceeded(`${String(issue?.path[0])}: ${issue?.message}. Give a number over 0.`);
  }
  const { epsilonLimit, leastNoiseMultiplier } = limits;
  if (plan.unit === 'none') {
    if (epsilonLimit === null && leastNoiseMultiplier === null) return null;
    return exceeded(
      'This run protects nobody: it adds no noise and can keep no limit. Do not take part, or take the limits of epsilon and noise away.',
    );
  }
  if (epsilonLimit === null || leastNoiseMultiplier === null) {
    return exceeded('A limit is missing: give the most epsilon and the least noise multiplier.');
  }
  if (plan.noiseMultiplier < leastNoiseMultiplier) {
    return exceeded(
      `You ask for a noise multiplier of at least ${leastNoiseMultiplier}, this run adds only ${plan.noiseMultiplier}. Lower this limit to take part, or stay out.`,
    );
  }
  const { localMetricsNoiseMultiplier } = plan;
  if (localMetricsNoiseMultiplier !== null && localMetricsNoiseMultiplier < leastNoiseMultiplier) {
    return exceeded(
      `You ask for a noise multiplier of at least ${leastNoiseMultiplier}, this run adds only ${localMetricsNoiseMultiplier} to the counts of your rows (localMetrics). Lower this limit to take part, or stay out.`,
    );
  }
  return null;
}

/** Whatever a tab releases under the plan has at least so much noise. */
function leastNoiseOf({ noiseMultiplier, localMetricsNoiseMultiplier }: PrivacyPlan): number {
  return Math.min(noiseMultiplier, localMetricsNoiseMultiplier ?? Infinity);
}

/**
 * What limits come to under a plan.
 * @throws {ChoraleError} whatever keeps the accountant from answering
 */
export async function viewOfLimits(
  limits: Limits,
  run: LimitedRun,
  accountant: LimitsAccountant,
): Promise<LimitsView> {
  const problem = problemAtOnce(limits, run);
  if (problem) return { limits, problem, roundsAllowed: 0 };
  const { plan, roundCount } = run;
  const mostRounds = Math.min(limits.mostRounds, roundCount);
  if (limits.epsilonLimit === null) return { limits, problem: null, roundsAllowed: mostRounds };
  const roundsAllowed = await accountant.roundsWithin(plan, limits.epsilonLimit, mostRounds);
  if (roundsAllowed > 0) return { limits, problem: null, roundsAllowed };
  const { epsilon } = await accountant.epsilonOf(eventOfRounds(plan, 1), plan.targetDelta);
  const one = roundEpsilonUp(epsilon);
  return {
    limits,
    problem: exceeded(
      `You allow an epsilon of at most ${limits.epsilonLimit}, one round of this run costs ${one}. Raise this limit to that to take part, or stay out.`,
    ),
    roundsAllowed,
  };
}

function exceeded(message: string): ClientError {
  return { code: 'LIMITS_EXCEEDED', message };
}
