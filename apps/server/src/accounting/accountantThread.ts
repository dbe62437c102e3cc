import type { PrivacyPlan } from '@chorale/privacy';
import type { AskedThread } from '../askedThread.ts';
import { openAskedThread } from '../askedThread.ts';
import type { Price, PricingUrgency } from '../serverParts.ts';

export type PricedRounds = { plan: PrivacyPlan; rounds: number };

/** Far more than the slowest plan takes. */
const TIMEOUT_MS = 60_000;

let thread: AskedThread<PricedRounds, Price> | undefined;

/**
 * What so many rounds of a plan cost, computed in a thread that all runs of this process share.
 * Rejects when the accountant refuses the plan, or its thread died; asking again starts another.
 */
export function priceInThread(plan: PrivacyPlan, rounds: number, urgency: PricingUrgency): Promise<Price> {
  thread ??= openAskedThread({
    workerUrl: new URL('./worker.ts', import.meta.url),
    name: 'accounting',
    timeoutMs: TIMEOUT_MS,
  });
  return thread.ask({ plan, rounds }, { urgent: urgency === 'urgent' });
}
