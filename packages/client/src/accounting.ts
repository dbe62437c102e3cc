import type { DpEvent, PrivacyPlan, ReportedEpsilon } from '@chorale/privacy';
import { reportedEpsilon, roundsWithin } from '@chorale/privacy';
import { canonicalJson } from '@chorale/protocol';

/** An epsilon, and why it is not the tight accountant's, for people; null when it is. */
export type PricedEpsilon = Pick<ReportedEpsilon, 'epsilon' | 'reason'>;

/** What the page may ask of the accountant. */
export type Accounting = {
  /** Tight epsilon of a release at a delta in (0, 1), not rounded; Infinity without protection. */
  epsilonOf(event: DpEvent, delta: number): PricedEpsilon;
  /** Most rounds of a plan, at most maxRounds, whose epsilon is within the limit. */
  roundsWithin(plan: PrivacyPlan, epsilonLimit: number, maxRounds: number): number;
};

/** The accountant, for the worker: the tight one takes tens of milliseconds for an answer, too long for a page's thread. */
export const accounting: Accounting = {
  epsilonOf(event, delta) {
    const { epsilon, reason } = reportedEpsilon(event, delta);
    return { epsilon, reason };
  },
  roundsWithin,
};

/**
 * Several releases as one event: equal ones together, in an order of their own, so that the same releases are the same
 * question however they came.
 * @param events at least one
 */
export function composition(events: readonly DpEvent[]): DpEvent {
  const counts = new Map<string, { event: DpEvent; count: number }>();
  for (const event of events) {
    const key = keyOf(event);
    const seen = counts.get(key);
    if (seen) seen.count += 1;
    else counts.set(key, { event, count: 1 });
  }
  const parts = [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { event, count }]): DpEvent => ({ type: 'self-composed', event, count }));
  return parts.length === 1 ? parts[0]! : { type: 'composed', events: parts };
}

const keys = new WeakMap<DpEvent, string>();

/** Remembered: a page asks for the price of the same thousand entries again and again. */
function keyOf(event: DpEvent): string {
  let key = keys.get(event);
  if (key === undefined) {
    key = canonicalJson(event);
    keys.set(event, key);
  }
  return key;
}

/**
 * The same releases as far as they concern one example. What protects a whole contributor, whatever her data are,
 * protects each of her examples at least as well; only so can runs of both units be added up.
 */
export function perExample(event: DpEvent): DpEvent {
  switch (event.type) {
    case 'gaussian': {
      const { type, noiseMultiplier } = event;
      return { type, privacyUnit: 'example', neighbouringRelation: 'zero-out', noiseMultiplier };
    }
    case 'poisson-sampled-gaussian':
    case 'non-private':
      return event;
    case 'self-composed':
      return { ...event, event: perExample(event.event) };
    case 'composed':
      return { ...event, events: event.events.map(perExample) };
  }
}
