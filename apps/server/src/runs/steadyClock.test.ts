import { afterEach, expect, it, vi } from 'vitest';
import { steadyClock } from './steadyClock.ts';

afterEach(() => void vi.restoreAllMocks());

it("starts at the wall clock's time in whole milliseconds, and follows none of its jumps", () => {
  const before = Date.now();
  const now = steadyClock();
  const started = now();
  expect(Number.isInteger(started)).toBe(true);
  expect(Math.abs(started - before)).toBeLessThan(1_000);
  const hour = 3_600_000;
  for (const jump of [hour, -hour]) {
    vi.spyOn(Date, 'now').mockReturnValue(before + jump);
    const later = now();
    expect(later).toBeGreaterThanOrEqual(started);
    expect(later - started).toBeLessThan(60_000);
  }
});
