/**
 * What may have broken a connection without a word, or made one possible again.
 * `slept`: this device or page stood still; `network-changed`: there is a network, and it may be another one than before;
 * `network-lost`: the device says that it has none; `looked-at`: the page came to the front.
 */
export type Wakeup = 'slept' | 'network-changed' | 'network-lost' | 'looked-at';

/** Tells of wake-ups until the returned function is called. */
export type Wakeups = (listener: (what: Wakeup) => void) => () => void;

const TICK_MS = 5_000;
/** Timers of a page in front are hardly ever so late unless the machine stood still. */
const GAP_MS = 20_000;
/** Timers of a hidden page may come once a minute only. */
const THROTTLED_GAP_MS = 100_000;

export type Clock = {
  /** Milliseconds since 1970, which go on while the machine sleeps. */
  now(): number;
  /** Calls again and again until the returned function is called. */
  every(intervalMs: number, work: () => void): () => void;
};

const systemClock: Clock = {
  now: () => Date.now(),
  every: (intervalMs, work) => {
    const timer = setInterval(work, intervalMs);
    return () => clearInterval(timer);
  },
};

/**
 * Notices that the machine slept, by a timer that came much too late.
 * @param throttled whether timers may be slow just now
 */
export function sleepWakeups(throttled: () => boolean = () => false, clock: Clock = systemClock): Wakeups {
  return (listener) => {
    let lastAtMs = clock.now();
    let slow = throttled();
    return clock.every(TICK_MS, () => {
      const nowMs = clock.now();
      const wasSlow = slow;
      slow = throttled();
      if (nowMs - lastAtMs > (slow || wasSlow ? THROTTLED_GAP_MS : GAP_MS)) listener('slept');
      lastAtMs = nowMs;
    });
  };
}
