import type { PrivacyPlan } from '@chorale/privacy';
import type { AskedThread } from '../askedThread.ts';
import { openAskedThread } from '../askedThread.ts';

export type PricedRounds = { plan: PrivacyPlan; rounds: number };

/** Far more than the slowest plan takes. */
const TIMEOUT_MS = 60_000;

let thread: AskedThread<PricedRounds, number> | undefined;

/**
 * Epsilon after so many rounds of a plan, rounded up, computed in a thread that all runs of this process share.
 * Rejects when the accountant refuses the plan, or its thread died; asking again starts another.
 */
export function spentEpsilonInThread(plan: PrivacyPlan, rounds: number): Promise<number> {
  thread ??= openAskedThread({
    workerUrl: new URL('./worker.ts', import.meta.url),
    name: 'accounting',
    timeoutMs: TIMEOUT_MS,
  });
  return thread.ask({ plan, rounds });
}
