import { describe, expect, test } from 'vitest';
import { piecesToEvict } from './pieceCache.ts';

const kept = (sha256: string, sizeBytes: number, usedAtMs: number) => ({ sha256, sizeBytes, usedAtMs });
const ALL = [kept('new', 10, 3), kept('old', 10, 1), kept('middle', 10, 2)];

describe('pieces to evict', () => {
  test.each([
    [30, []],
    [29, ['old']],
    [20, ['old']],
    [19, ['old', 'middle']],
    [0, ['old', 'middle', 'new']],
  ])('under a limit of %i bytes are %j: least recently used first, no more than needed', (limit, names) => {
    expect(piecesToEvict(ALL, new Set(), limit).map(({ sha256 }) => sha256)).toEqual(names);
  });

  test('are never those in use', () => {
    expect(piecesToEvict(ALL, new Set(['old', 'new']), 0).map(({ sha256 }) => sha256)).toEqual(['middle']);
  });
});
