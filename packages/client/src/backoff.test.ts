import { expect, test } from 'vitest';
import { retryDelayMs } from './backoff.ts';

const almostOne = () => 1 - 2 ** -32;

test('the bound doubles with each failure, up to half a minute', () => {
  const bounds = [1, 2, 3, 4, 5, 6, 7, 2000].map((failures) => Math.round(retryDelayMs(failures, almostOne)));
  expect(bounds).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test('the whole of it is chance', () => {
  expect(retryDelayMs(6, () => 0)).toBe(0);
  expect(retryDelayMs(6, () => 0.25)).toBe(7_500);
  // Uniform on [0, 30 s): the mean of 4,000 is within 5 standard errors (137 ms each) of 15 s
  const delays = Array.from({ length: 4_000 }, () => retryDelayMs(9));
  const mean = delays.reduce((sum, delay) => sum + delay, 0) / delays.length;
  expect(Math.abs(mean - 15_000)).toBeLessThan(5 * 137);
  expect(Math.min(...delays)).toBeLessThan(1_000);
  expect(Math.max(...delays)).toBeLessThan(30_000);
});
