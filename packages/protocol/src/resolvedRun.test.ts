import { describe, expect, test } from 'vitest';
import {
  MAX_PIECE_BYTES,
  bytesToHex,
  canonicalJson,
  hashPlan,
  hexToBytes,
  modelPiecePath,
  resolvedRunSchema,
  runPlanSchema,
  sha256Hex,
  trainedRangeOf,
} from './resolvedRun.ts';
import type { RunPlan } from './resolvedRun.ts';
import { parseRunConfig } from './runConfig.ts';

function plan(): RunPlan {
  return {
    config: parseRunConfig({
      name: 'sentiment',
      task: { type: 'sequence-classification', labels: ['negative', 'positive'] },
      training: { learningRate: 0.5, samplingRate: 0.05, expectedBatchSize: 32, clippingNorm: 2 },
      privacy: { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 },
      rounds: { count: 30, cohortSize: 3, minimumUpdates: 2 },
    }),
    noiseMultiplier: 1.0755,
    model: {
      name: 'tiny-encoder',
      source: null,
      files: [
        {
          name: 'config.json',
          sizeBytes: 10,
          sha256: 'ab'.repeat(32),
          pieces: [{ sizeBytes: 10, sha256: 'ab'.repeat(32) }],
        },
      ],
    },
    basisHash: 'cd'.repeat(32),
    parameterCount: 36_864,
    tensors: [
      { name: 'encoder.layer.0.attention.self.query.lora_B', count: 36_000 },
      { name: 'classifier.weight', count: 864 },
    ],
    trainedRanges: [{ start: 0, end: 36_864 }],
  };
}

/** The same value with the keys of every object in the opposite order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, reversed(inner)]),
  );
}

describe('canonicalJson', () => {
  test('sorts keys at every level and keeps the order of lists', () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }, 'x'], a: null, c: true })).toBe(
      '{"a":null,"b":[{"a":2,"z":1},"x"],"c":true}',
    );
    expect(canonicalJson([])).toBe('[]');
    expect(canonicalJson({})).toBe('{}');
  });

  test('a missing key and an undefined one are the same', () => {
    expect(canonicalJson({ a: 1, b: undefined })).toBe(canonicalJson({ a: 1 }));
  });

  test('escapes as JSON does, also in keys, and can be parsed back', () => {
    const value = { 'a"b': 'line\nbreak', ä: '\u2028', n: [1e-5, 0.1, 1e21, -0, 123456789012] };
    expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    expect(canonicalJson(value)).toContain('[0.00001,0.1,1e+21,0,123456789012]');
  });
});

describe('hashPlan', () => {
  test('does not depend on the order of keys or on a trip through JSON', async () => {
    const hash = await hashPlan(plan());
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(await hashPlan(reversed(plan()) as RunPlan)).toBe(hash);
    expect(await hashPlan(JSON.parse(JSON.stringify(plan())) as RunPlan)).toBe(hash);
    const run = { runId: 'run-1', plan: JSON.parse(JSON.stringify(plan())) as unknown, planHash: hash };
    expect(await hashPlan(resolvedRunSchema.parse(run).plan)).toBe(hash);
  });

  test('is the same on every machine: contributors agreed to it, ledgers hold it', async () => {
    // computed with Python's json and hashlib
    expect(await hashPlan(plan())).toBe('285b91fa3c296371574cf178260b9cf0fb4dea404095b3a330abd58c74d74f75');
  });

  test('changes with every public fact', async () => {
    const base = plan();
    const changed: RunPlan[] = [
      { ...base, noiseMultiplier: 1.0756 },
      { ...base, parameterCount: 36_865 },
      { ...base, trainedRanges: [{ start: 0, end: 36_000 }] },
      { ...base, tensors: base.tensors.toReversed() },
      { ...base, tensors: [{ ...base.tensors[0]!, name: 'x' }, base.tensors[1]!] },
      { ...base, config: { ...base.config, transport: { encoding: 'int8' } } },
      { ...base, config: { ...base.config, access: 'invite' } },
      { ...base, model: { ...base.model, source: { repository: 'a/b', revision: 'c' } } },
      { ...base, basisHash: 'ce'.repeat(32) },
      { ...base, model: { ...base.model, name: 'other' } },
      { ...base, model: { ...base.model, files: [{ ...base.model.files[0]!, sha256: 'ac'.repeat(32) }] } },
      { ...base, config: { ...base.config, training: { ...base.config.training, clippingNorm: 2.5 } } },
      {
        ...base,
        config: { ...base.config, task: { ...base.config.task, labels: ['positive', 'negative'] } },
      },
      { ...base, config: { ...base.config, privacy: { unit: 'none' } } },
      { ...base, config: { ...base.config, rounds: { ...base.config.rounds, count: 31 } } },
    ];
    const hashes = await Promise.all([base, ...changed].map(hashPlan));
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

describe('what is no plan', () => {
  const accepted = (change: (plan: RunPlan) => unknown) => {
    const changed = plan();
    change(changed);
    return runPlanSchema.safeParse(changed).success;
  };

  test('pieces that are not the file', () => {
    expect(accepted(() => undefined)).toBe(true);
    expect(accepted(({ model }) => (model.files[0]!.sizeBytes = 11))).toBe(false);
    expect(accepted(({ model }) => (model.files[0]!.pieces = []))).toBe(false);
    expect(
      accepted(({ model }) => {
        model.files[0]!.sizeBytes = MAX_PIECE_BYTES + 1;
        model.files[0]!.pieces[0]!.sizeBytes = MAX_PIECE_BYTES + 1;
      }),
    ).toBe(false);
  });

  test('two files of one name', () => {
    const second = (name: string) => accepted(({ model }) => model.files.push({ ...model.files[0]!, name }));
    expect(second('other.json')).toBe(true);
    expect(second('config.json')).toBe(false);
  });

  test('one piece of two sizes, in one file or in two', () => {
    const piece = { sizeBytes: 5, sha256: 'ef'.repeat(32) };
    const pieces = (sizeBytes: number) => [piece, { ...piece, sizeBytes }];
    const inOne = (sizeBytes: number) =>
      accepted(({ model }) =>
        Object.assign(model.files[0]!, { sizeBytes: 5 + sizeBytes, pieces: pieces(sizeBytes) }),
      );
    expect(inOne(5)).toBe(true);
    expect(inOne(6)).toBe(false);
    const inTwo = (sizeBytes: number) =>
      accepted(({ model }) => {
        const named = (name: string, one: typeof piece) => ({ name, ...one, pieces: [one] });
        model.files = [named('a', piece), named('b', { ...piece, sizeBytes })];
      });
    expect(inTwo(5)).toBe(true);
    expect(inTwo(6)).toBe(false);
  });

  test.each([
    ['empty', { start: 5, end: 5 }],
    ['over the end', { start: 0, end: 36_865 }],
    ['negative', { start: -1, end: 36_000 }],
    ['ended within a tensor', { start: 0, end: 5 }],
    ['begun within a tensor', { start: 5, end: 36_864 }],
  ])('a trained range that is %s', (_, range) => {
    expect(accepted((changed) => (changed.trainedRanges = [range]))).toBe(false);
  });
});

describe('the tensors of a plan', () => {
  const accepted = (change: Partial<RunPlan>) => runPlanSchema.safeParse({ ...plan(), ...change }).success;
  const tensor = (count: number) => ({ name: 'a', count });

  test('are together as large as the adapter', () => {
    expect(accepted({ tensors: [tensor(36_864)] })).toBe(true);
    expect(accepted({ tensors: [tensor(36_000), tensor(864)] })).toBe(true);
    for (const counts of [[36_863], [36_865], [36_000, 865], [36_864, 1], []]) {
      expect(accepted({ tensors: counts.map(tensor) })).toBe(false);
    }
  });

  test('are none of no or half an element, nor without a name', () => {
    expect(accepted({ tensors: [tensor(36_864), tensor(0)] })).toBe(false);
    expect(accepted({ tensors: [tensor(36_863.5), tensor(0.5)] })).toBe(false);
    expect(accepted({ tensors: [tensor(36_865), tensor(-1)] })).toBe(false);
    expect(accepted({ tensors: [{ name: '', count: 36_864 }] })).toBe(false);
  });

  test('bound the ranges that rounds train, two of them too', () => {
    const tensors = [tensor(864), tensor(35_000), tensor(1_000)];
    const ranges = (...ends: [number, number][]) =>
      accepted({ tensors, trainedRanges: ends.map(([start, end]) => ({ start, end })) });
    expect(ranges([0, 864], [864, 36_864])).toBe(true);
    expect(ranges([0, 35_864], [864, 36_864])).toBe(true);
    expect(ranges([0, 35_864], [865, 36_864])).toBe(false);
  });
});

test('rounds take turns over the trained ranges, from the first', () => {
  const [first, second] = [
    { start: 0, end: 4 },
    { start: 2, end: 7 },
  ];
  const both = { trainedRanges: [first, second] };
  expect([1, 2, 3, 4, 101].map((round) => trainedRangeOf(both, round))).toEqual([
    first,
    second,
    first,
    second,
    first,
  ]);
  expect([1, 2].map((round) => trainedRangeOf({ trainedRanges: [first] }, round))).toEqual([first, first]);
});

test('the address of a piece is its hash', () => {
  expect(modelPiecePath({ sha256: 'ab'.repeat(32) })).toBe(`/models/${'ab'.repeat(32)}`);
});

test('sha256Hex is SHA-256 (FIPS 180-2, appendix B.1)', async () => {
  const abc = Uint8Array.of(0x61, 0x62, 0x63);
  expect(await sha256Hex(abc)).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('hexadecimal there and back', () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  expect(hexToBytes(bytesToHex(bytes))).toEqual(bytes);
  expect(bytesToHex(Uint8Array.of(0, 15, 255))).toBe('000fff');
});

test.each(['AB'.repeat(32), 'ab'.repeat(31), `${'ab'.repeat(31)}zz`, ''])(
  '%o is no plan hash',
  (planHash) => {
    expect(resolvedRunSchema.safeParse({ runId: 'run-1', plan: plan(), planHash }).success).toBe(false);
  },
);
