import { describe, expect, test } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatCount,
  formatDuration,
  formatEpsilon,
  formatLoss,
  formatNumber,
  formatPercent,
  formatSentence,
} from './format.ts';

describe('formatEpsilon', () => {
  test('rounds up, never down', () => {
    expect(formatEpsilon(0.411)).toBe('0.42');
    expect(formatEpsilon(5.9901)).toBe('6.00');
    expect(formatEpsilon(0.0001)).toBe('0.01');
  });
  test('leaves two-decimal values as they are, whatever floating point makes of them', () => {
    for (let cents = 0; cents <= 1000; cents++)
      expect(formatEpsilon(cents / 100)).toBe((cents / 100).toFixed(2));
  });
});

test('formatBytes steps through decimal units and never shows 1,000 of one', () => {
  expect(formatBytes(0)).toBe('0 bytes');
  expect(formatBytes(999)).toBe('999 bytes');
  expect(formatBytes(1000)).toBe('1 kB');
  expect(formatBytes(49_232)).toBe('49.2 kB');
  expect(formatBytes(999_600)).toBe('1 MB');
  expect(formatBytes(1_476_960)).toBe('1.48 MB');
});

test('formatDuration names the two largest units', () => {
  expect(formatDuration(840)).toBe('0.8 s');
  expect(formatDuration(9_960)).toBe('10 s');
  expect(formatDuration(59_600)).toBe('1 min');
  expect(formatDuration(83_000)).toBe('1 min 23 s');
  expect(formatDuration(7_500_000)).toBe('2 h 5 min');
  expect(formatDuration(3 * 86_400_000)).toBe('3 days');
});

test('formatAge counts whole seconds first', () => {
  expect(formatAge(-50)).toBe('just now');
  expect(formatAge(200)).toBe('just now');
  expect(formatAge(4_900)).toBe('4 s ago');
  expect(formatAge(83_000)).toBe('1 min 23 s ago');
});

test('counts, shares, losses and quantities', () => {
  expect(formatCount(12_288)).toBe('12,288');
  expect(formatPercent(0.8731)).toBe('87.3 %');
  expect(formatPercent(1)).toBe('100.0 %');
  expect(formatLoss(0.69315)).toBe('0.693');
  expect(formatNumber(1.0972)).toBe('1.1');
  expect(formatNumber(0.00001)).toBe('1e-5');
  expect(formatNumber(0)).toBe('0');
  expect(formatNumber(2)).toBe('2');
});

test('formatSentence raises the first letter only', () => {
  expect(formatSentence('waiting for Ada')).toBe('Waiting for Ada');
  expect(formatSentence('')).toBe('');
});
