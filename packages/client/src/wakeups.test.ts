import { beforeEach, expect, test } from 'vitest';
import type { Clock } from './wakeups.ts';
import { sleepWakeups } from './wakeups.ts';

let nowMs: number;
let tick: (() => void) | null;
const clock: Clock = {
  now: () => nowMs,
  every: (_, work) => {
    tick = work;
    return () => {
      tick = null;
    };
  },
};
/** The timer fires so much later. */
const after = (durationMs: number) => {
  nowMs += durationMs;
  tick!();
};

beforeEach(() => {
  nowMs = 1_000_000;
  tick = null;
});

test('a timer that comes much too late tells of a sleep, once; ordinary delays do not', () => {
  let woke = 0;
  const end = sleepWakeups(() => false, clock)(() => (woke += 1));
  for (const delayMs of [5_000, 5_100, 19_000]) after(delayMs);
  expect(woke).toBe(0);
  after(8 * 3_600_000);
  expect(woke).toBe(1);
  after(5_000);
  expect(woke).toBe(1);
  end();
  expect(tick).toBeNull();
});

test('a hidden page may be slow, also in the tick after it came to the front', () => {
  let hidden = false;
  let woke = 0;
  sleepWakeups(() => hidden, clock)(() => (woke += 1));
  hidden = true;
  after(60_000);
  after(60_000);
  hidden = false;
  after(59_000);
  expect(woke).toBe(0);
  after(25_000);
  expect(woke).toBe(1);
  hidden = true;
  after(3_600_000);
  expect(woke).toBe(2);
});
