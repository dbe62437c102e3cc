/** So much at once, and so much again per second. */
export type BucketRule = { capacity: number; perSecond: number };

/** A token bucket without a timer: what came back since the last look is added at the next. */
export class TokenBucket {
  readonly #rule: BucketRule;
  #left: number;
  #lookedAtMs: number;

  /** @param nowMs of any clock that does not go back; what goes back all the same adds nothing */
  constructor(rule: BucketRule, nowMs: number) {
    this.#rule = rule;
    this.#left = rule.capacity;
    this.#lookedAtMs = nowMs;
  }

  /** Takes `amount`; false, and nothing is taken, when there is not as much. */
  take(nowMs: number, amount = 1): boolean {
    this.#refill(nowMs);
    if (this.#left < amount) return false;
    this.#left -= amount;
    return true;
  }

  /** Whether `amount` could be taken now. */
  has(nowMs: number, amount = 1): boolean {
    this.#refill(nowMs);
    return this.#left >= amount;
  }

  #refill(nowMs: number): void {
    const { capacity, perSecond } = this.#rule;
    const elapsedMs = Math.max(0, nowMs - this.#lookedAtMs);
    this.#left = Math.min(capacity, this.#left + (elapsedMs / 1000) * perSecond);
    this.#lookedAtMs = nowMs;
  }
}

/**
 * One bucket per key, for so many keys at most: the one looked at longest ago, which has filled up most, goes first.
 * Whoever commands more addresses than that can empty no memory with it, but has a full bucket at each of them anyway.
 */
export class KeyedBuckets {
  readonly #rule: BucketRule;
  readonly #mostKeys: number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(rule: BucketRule, mostKeys = 20_000) {
    this.#rule = rule;
    this.#mostKeys = mostKeys;
  }

  get size(): number {
    return this.#buckets.size;
  }

  take(key: string, nowMs: number, amount = 1): boolean {
    return this.#bucket(key, nowMs).take(nowMs, amount);
  }

  has(key: string, nowMs: number, amount = 1): boolean {
    // A key that was never seen has a full bucket; looking must not make one
    return this.#buckets.get(key)?.has(nowMs, amount) ?? amount <= this.#rule.capacity;
  }

  #bucket(key: string, nowMs: number): TokenBucket {
    const bucket = this.#buckets.get(key) ?? new TokenBucket(this.#rule, nowMs);
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size > this.#mostKeys) this.#buckets.delete(this.#buckets.keys().next().value!);
    return bucket;
  }
}
