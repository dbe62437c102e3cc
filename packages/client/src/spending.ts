import type { DpEvent, PrivacyPlan } from '@chorale/privacy';
import { rdpEpsilon, roundEvent } from '@chorale/privacy';
import type { LedgerEntry } from './ledger.ts';

/**
 * Epsilon of what a ledger says was released, and of `moreRounds` further rounds under the present plan, at the plan's
 * targetDelta. Each past release counts with the event that was written for it, whatever the plan says today.
 * @returns not rounded; 0 for nothing, Infinity when a release had no protection or the plan has none
 */
export function spentEpsilon(entries: Iterable<LedgerEntry>, plan: PrivacyPlan, moreRounds = 0): number {
  const events: DpEvent[] = Array.from(entries, (entry) => entry.event);
  for (let i = 0; i < moreRounds; i++) events.push(roundEvent(plan));
  if (events.length === 0) return 0;
  if (plan.unit === 'none') return Infinity;
  return rdpEpsilon({ type: 'composed', events }, plan.targetDelta);
}

/**
 * Whether one more round stays within a limit. The hair's breadth allowed is for adding the same rounds in another
 * order: a limit of exactly the whole plan must admit its last round.
 * @param epsilonLimit Infinity for none
 */
export function allowsOneMore(
  entries: Iterable<LedgerEntry>,
  plan: PrivacyPlan,
  epsilonLimit: number,
): boolean {
  return spentEpsilon(entries, plan, 1) <= epsilonLimit * (1 + 1e-9);
}
