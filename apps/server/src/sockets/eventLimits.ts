import type { BucketRule } from '../access/tokenBucket.ts';
import { TokenBucket } from '../access/tokenBucket.ts';

export const CONTRIBUTOR_EVENTS = ['join', 'availability', 'offer', 'update', 'leave'] as const;
export type ContributorEvent = (typeof CONTRIBUTOR_EVENTS)[number];

/**
 * What each kind of event may have of a socket's messages per second. Joining and leaving make the engine and the store
 * work, and happen once per connection; an update and its offer
 * happen once per round.
 */
const SHARE: Record<ContributorEvent, number> = {
  join: 0.1,
  leave: 0.1,
  offer: 0.5,
  update: 0.5,
  availability: 0.5,
};
/** What a socket may send at once: what it may send in so many seconds. */
const BURST_SECONDS = 10;

/** Whether one socket may send one more event of its kind, and of any. */
export class EventLimits {
  readonly #all: TokenBucket;
  readonly #byEvent: Record<ContributorEvent, TokenBucket>;

  constructor(messagesPerSecond: number, nowMs: number) {
    const bucket = (share: number): TokenBucket => new TokenBucket(rule(share * messagesPerSecond), nowMs);
    this.#all = bucket(1);
    this.#byEvent = {
      join: bucket(SHARE.join),
      availability: bucket(SHARE.availability),
      offer: bucket(SHARE.offer),
      update: bucket(SHARE.update),
      leave: bucket(SHARE.leave),
    };
  }

  take(event: ContributorEvent | null, nowMs: number): boolean {
    return this.#all.take(nowMs) && (event === null || this.#byEvent[event].take(nowMs));
  }
}

function rule(perSecond: number): BucketRule {
  return { capacity: Math.max(1, BURST_SECONDS * perSecond), perSecond };
}
