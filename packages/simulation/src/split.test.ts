import { describe, expect, test } from 'vitest';
import { RandomStream } from './randomStream.ts';
import type { SplitOptions } from './split.ts';
import { splitRows } from './split.ts';

/** Class indices of rows, so many of each class, mixed. */
function labelsOf(...counts: number[]): number[] {
  const labels = counts.flatMap((count, label) => Array.from({ length: count }, () => label));
  return new RandomStream(99, 'labels').shuffled(labels);
}

function split(labels: number[], options: SplitOptions, seed = 1): number[][] {
  return splitRows(labels, Math.max(...labels) + 1, options, new RandomStream(seed, 'split'));
}

function countsOf(parts: number[][], labels: number[], classCount: number): number[][] {
  return parts.map((part) =>
    Array.from({ length: classCount }, (_, label) => part.filter((row) => labels[row] === label).length),
  );
}

const SEVERE = [
  [0.1, 0.9],
  [0.9, 0.1],
  [0.5, 0.5],
];

const CASES: [name: string, options: SplitOptions][] = [
  ['iid', { clients: 3, split: { kind: 'iid' } }],
  ['iid, so many each', { clients: 4, split: { kind: 'iid' }, examplesPerClient: 20 }],
  ['label-skew', { clients: 3, split: { kind: 'label-skew', mix: SEVERE } }],
  [
    'label-skew, so many each',
    { clients: 3, split: { kind: 'label-skew', mix: SEVERE }, examplesPerClient: 30 },
  ],
  ['dirichlet', { clients: 7, split: { kind: 'dirichlet', alpha: 0.5 } }],
  ['dirichlet, very uneven', { clients: 12, split: { kind: 'dirichlet', alpha: 0.01 } }],
  ['dirichlet, capped', { clients: 5, split: { kind: 'dirichlet', alpha: 0.3 }, examplesPerClient: 25 }],
];

describe.each(CASES)('%s', (_, options) => {
  const labels = labelsOf(210, 190);

  test('no row goes to two clients, every row is one of the file', () => {
    const dealt = split(labels, options).flat();
    expect(new Set(dealt).size).toBe(dealt.length);
    expect(dealt.every((row) => Number.isInteger(row) && row >= 0 && row < labels.length)).toBe(true);
  });

  test('the same seed gives the same split, another seed another one', () => {
    expect(split(labels, options)).toEqual(split(labels, options));
    expect(split(labels, options, 2)).not.toEqual(split(labels, options));
  });

  test('as many clients as configured, each with at least 8 rows', () => {
    const parts = split(labels, options);
    expect(parts).toHaveLength(options.clients);
    expect(Math.min(...parts.map((part) => part.length))).toBeGreaterThanOrEqual(8);
    const most = options.examplesPerClient ?? labels.length;
    expect(Math.max(...parts.map((part) => part.length))).toBeLessThanOrEqual(most);
  });
});

test('iid: equal parts of all rows but a remainder, labels in about the proportion of the whole', () => {
  const labels = labelsOf(3310, 3610);
  const parts = split(labels, { clients: 3, split: { kind: 'iid' } });
  expect(parts.map((part) => part.length)).toEqual([2306, 2306, 2306]); // 6920 = 3·2306 + 2
  for (const [negative] of countsOf(parts, labels, 2)) {
    // Hypergeometric: sd = sqrt(2306·(3310/6920)·(3610/6920)·(1 − 1/3)) = 19.6
    expect(Math.abs(negative! - (2306 * 3310) / 6920)).toBeLessThan(5 * 19.6);
  }
});

describe('label-skew', () => {
  test('SST-2, severe: as large as the rarer label allows, the shares to the row', () => {
    const labels = labelsOf(3310, 3610);
    const parts = split(labels, { clients: 3, split: { kind: 'label-skew', mix: SEVERE } });
    // Negative rows: (0.1 + 0.9 + 0.5)·n ≤ 3310 → n ≤ 2206.67; with n = 2206: 220.6 → 221, 1985.4 → 1985, 1103
    expect(countsOf(parts, labels, 2)).toEqual([
      [221, 1985],
      [1985, 221],
      [1103, 1103],
    ]);
  });

  test('one more row for each client would not fit', () => {
    const labels = labelsOf(3310, 3610);
    const skew: SplitOptions = { clients: 3, split: { kind: 'label-skew', mix: SEVERE } };
    const { length } = split(labels, skew)[0]!;
    expect(() => split(labels, { ...skew, examplesPerClient: length + 1 })).toThrow(
      /of label 0 \(there are 3310\)/,
    );
  });

  test('rounding never takes rows that are not there', () => {
    // 10 rows each would be 3.4 + 3.3 + 3.3 → 4 + 3 + 3, and there are no 12 of label 0; 9 are 3.06 + 2.97 + 2.97
    const labels = labelsOf(9, 20, 20);
    const third = [0.34, 0.33, 0.33];
    const parts = split(labels, { clients: 3, split: { kind: 'label-skew', mix: [third, third, third] } });
    const counts = countsOf(parts, labels, 3);
    expect(counts).toEqual([
      [3, 3, 3],
      [3, 3, 3],
      [3, 3, 3],
    ]);
  });

  test('a label that nobody wants sets no limit', () => {
    const labels = labelsOf(50, 40, 1);
    const mix = [
      [1, 0, 0],
      [0, 1, 0],
    ];
    const parts = split(labels, { clients: 2, split: { kind: 'label-skew', mix } });
    expect(countsOf(parts, labels, 3)).toEqual([
      [40, 0, 0],
      [0, 40, 0],
    ]);
  });

  test('a mix that does not fit is refused with what was expected', () => {
    const labels = labelsOf(50, 50);
    const bad = (mix: number[][]) => () => split(labels, { clients: 2, split: { kind: 'label-skew', mix } });
    expect(bad([[1, 0]])).toThrow('expected one row for each of 2 clients');
    expect(bad([[1, 0], [1]])).toThrow('a row of 1 numbers (1)');
  });
});

describe('dirichlet', () => {
  test('deals out all rows', () => {
    const labels = labelsOf(300, 100, 50);
    const parts = split(labels, { clients: 6, split: { kind: 'dirichlet', alpha: 0.5 } });
    expect(parts.flat().sort((a, b) => a - b)).toEqual(labels.map((_, row) => row));
  });

  test('a large alpha is nearly even, a small one is not', () => {
    const labels = labelsOf(600, 600);
    /** How far from one half the share of label 0 gets at most, in the mean over ten splits. */
    const unevenness = (alpha: number) => {
      const seeds = Array.from({ length: 10 }, (_, i) => i);
      const furthest = seeds.map((seed) => {
        const parts = split(labels, { clients: 4, split: { kind: 'dirichlet', alpha } }, seed);
        const shares = countsOf(parts, labels, 2).map(([first, second]) => first! / (first! + second!));
        return Math.max(...shares.map((share) => Math.abs(share - 0.5)));
      });
      return furthest.reduce((sum, one) => sum + one, 0) / seeds.length;
    };
    expect(unevenness(1e5)).toBeLessThan(0.02);
    expect(unevenness(0.05)).toBeGreaterThan(0.4);
  });
});

test.each<[SplitOptions]>([
  [{ clients: 13, split: { kind: 'iid' } }],
  [{ clients: 13, split: { kind: 'dirichlet', alpha: 1 } }],
  [{ clients: 2, split: { kind: 'iid' }, examplesPerClient: 51 }],
  [{ clients: 2, split: { kind: 'iid' }, examplesPerClient: 7 }],
])('too few rows are refused: %j', (options) => {
  expect(() => split(labelsOf(50, 50), options)).toThrow('simulation.train: the split needs');
});
