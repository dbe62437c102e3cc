import { expect, test } from 'vitest';
import { untilTick } from './sendTick.ts';

test.each([
  [0, 0, 0],
  [0, 1, 999],
  [0, 999, 1],
  [0, 1000, 0],
  [250, 3300, 950],
  [5000, 5000.5, 999.5],
])('a round of %s that is ready at %s waits %s ms', (startedAtMs, nowMs, expected) => {
  expect(untilTick(startedAtMs, nowMs, 1000)).toBe(expected);
});
