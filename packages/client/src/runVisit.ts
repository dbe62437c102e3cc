import type { DpEvent } from '@chorale/privacy';
import { eventOfRounds, roundEpsilonUp } from '@chorale/privacy';
import type { PublicRun } from '@chorale/protocol';
import { ChoraleError, hashPlan } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { PricedEpsilon } from './accounting.ts';
import { composition, perExample } from './accounting.ts';
import type { Ledger } from './ledger.ts';
import type { LimitedRun } from './ownLimits.ts';
import { Spending } from './spending.ts';
import type { ClientError, Limits } from './state.ts';
import { clientError } from './stateStore.ts';

/** At which the other runs are added up when this one, without protection, names no delta. */
const FALLBACK_DELTA = 1e-5;

type AskEpsilon = (event: DpEvent, delta: number) => Promise<PricedEpsilon>;

/** What an earlier visit left; a problem in its place when it cannot be read. */
export type EarlierVisit = {
  ledger: Ledger | null;
  spentEpsilon: number | null;
  limits: Limits | null;
  problem: ClientError | null;
};

/** What the whole plan costs. */
export async function priceRun(
  { run }: PublicRun,
  askEpsilon: AskEpsilon,
): Promise<{ run: LimitedRun; accountingNote: string | null }> {
  const plan = privacyPlanOf(run.plan);
  const roundCount = run.plan.config.rounds.count;
  if (plan.unit === 'none') return { run: { plan, roundCount, plannedEpsilon: null }, accountingNote: null };
  const { epsilon, reason } = await askEpsilon(eventOfRounds(plan, roundCount), plan.targetDelta);
  return { run: { plan, roundCount, plannedEpsilon: roundEpsilonUp(epsilon) }, accountingNote: reason };
}

/** A ledger that cannot be read keeps her from joining, not from looking at the run; what was spent is not known then. */
export async function readEarlierVisit(
  openLedger: () => Promise<Ledger>,
  plan: LimitedRun['plan'],
  askEpsilon: AskEpsilon,
): Promise<EarlierVisit> {
  try {
    const ledger = await openLedger();
    const spending = new Spending({ ledger, plan, askEpsilon });
    await spending.load();
    const [spentEpsilon, limits] = [await spending.shownEpsilon(), await ledger.limits()];
    return { ledger, spentEpsilon, limits, problem: null };
  } catch (error) {
    if (!(error instanceof ChoraleError) || error.code !== 'LEDGER_UNAVAILABLE') throw error;
    return { ledger: null, spentEpsilon: null, limits: null, problem: clientError(error) };
  }
}

/**
 * All other runs together, at the delta of this one. Where the rows are the same they add up, and no run knows of
 * another.
 * @returns null when there are none
 */
export async function otherRunsEpsilon(
  ledger: Ledger,
  targetDelta: number,
  askEpsilon: AskEpsilon,
): Promise<number | null> {
  const events = await ledger.otherRuns();
  if (events.length === 0) return null;
  const delta = targetDelta > 0 ? targetDelta : FALLBACK_DELTA;
  const { epsilon } = await askEpsilon(composition(events.map(perExample)), delta);
  return roundEpsilonUp(epsilon);
}

/** Over plain http browsers give a page no digests, no locks and no WebGPU, except on the server's own machine. */
export function assertSecureContext(): void {
  // Node has no such notion, and no such limits
  if (!('isSecureContext' in globalThis) || globalThis.isSecureContext) return;
  throw new ChoraleError(
    'DEVICE_UNSUPPORTED',
    'This page was opened over plain http, where browsers switch off what it needs. Open it by an https address; on the machine of the server itself, http://localhost works too.',
  );
}

/** The hash is what the person agrees to and what binds every update, so it must be of this very plan. */
export async function assertPlanHash({ plan, planHash }: PublicRun['run']): Promise<void> {
  if (planHash === (await hashPlan(plan))) return;
  throw new ChoraleError(
    'PLAN_CHANGED',
    'The plan the server sent is not the one its hash names. Nothing more is sent; tell the person who runs this.',
  );
}
