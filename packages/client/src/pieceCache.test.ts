import { describe, expect, test } from 'vitest';
import { RECENTLY_USED_MS, piecesToEvict } from './pieceCache.ts';

const kept = (sha256: string, sizeBytes: number, usedAtMs: number) => ({ sha256, sizeBytes, usedAtMs });
const ALL = [kept('new', 10, 3), kept('old', 10, 1), kept('middle', 10, 2)];

const evict = (limitBytes: number, inUse: string[] = [], nowMs = 3 + RECENTLY_USED_MS) =>
  piecesToEvict(ALL, new Set(inUse), { limitBytes, nowMs });

describe('pieces to evict', () => {
  test.each([
    [30, []],
    [29, ['old']],
    [20, ['old']],
    [19, ['old', 'middle']],
    [0, ['old', 'middle', 'new']],
  ])('under a limit of %i bytes are %j: least recently used first, no more than needed', (limit, names) => {
    expect(evict(limit).map(({ sha256 }) => sha256)).toEqual(names);
  });

  test('are never those in use', () => {
    expect(evict(0, ['old', 'new']).map(({ sha256 }) => sha256)).toEqual(['middle']);
  });

  test('are none that were used a short time ago, which may be half of a model that another tab loads', () => {
    const names = (nowMs: number) => evict(0, [], nowMs).map(({ sha256 }) => sha256);
    expect(names(2 + RECENTLY_USED_MS)).toEqual(['old', 'middle']);
    expect(names(RECENTLY_USED_MS)).toEqual([]);
  });
});
