import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ResolvedRun, RoundRecord } from '@chorale/protocol';
import { ChoraleError, parseRunConfig } from '@chorale/protocol';
import { openMemoryStore } from './memoryStore.ts';
import { openSqliteStore } from './sqliteStore.ts';
import type { EngineRow, Store, StoredRun } from './store.ts';

const config = parseRunConfig({
  name: 'test',
  task: { type: 'sequence-classification', labels: ['no', 'yes'] },
  training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
  privacy: { unit: 'none' },
  rounds: { count: 2, cohortSize: 2, minimumUpdates: 1 },
});

function storedRun(runId: string, createdAtMs = 1000): StoredRun {
  const run: ResolvedRun = {
    runId,
    plan: {
      config,
      noiseMultiplier: 0,
      model: {
        name: 'tiny',
        source: null,
        files: [
          {
            name: 'config.json',
            sizeBytes: 2,
            sha256: 'a'.repeat(64),
            pieces: [{ sizeBytes: 2, sha256: 'a'.repeat(64) }],
          },
        ],
      },
      basisHash: 'b'.repeat(64),
      parameterCount: 3,
      trainedRanges: [{ start: 0, end: 3 }],
    },
    planHash: 'c'.repeat(64),
  };
  return { run, createdAtMs, status: 'recruiting', engineState: '{"n":0}', evaluationSha256: null };
}

function record(round: number): RoundRecord {
  return {
    round,
    attempt: 1,
    cohort: 2,
    received: 2,
    adapterVersion: round,
    testAccuracy: null,
    testLoss: null,
    spentEpsilon: 1.5,
    localMetrics: null,
    uplinkBytes: 92,
    durationMs: 12.5,
  };
}

const engine = (n: number): EngineRow => ({ status: 'training', engineState: `{"n":${n}}` });
const update = (contributorId: string, ...bytes: number[]) => ({
  contributorId,
  sha256: `${contributorId}-${bytes.join()}`,
  bytes: Uint8Array.from(bytes),
  receivedAtMs: 5,
});
const INITIAL = Float64Array.of(0.1, -0, 1e300);

function expectStoreError(act: () => unknown): void {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ChoraleError);
  expect((thrown as ChoraleError).code).toBe('STORE_ERROR');
}

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-store-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** What every store must do. */
const drivers: [string, () => Store][] = [
  ['memory', openMemoryStore],
  ['sqlite', () => openSqliteStore(join(directory, 'test.sqlite'))],
];

describe.each(drivers)('the %s store', (_name, openStore) => {
  let store: Store;
  beforeEach(() => {
    store = openStore();
    store.createRun(storedRun('run-1'), INITIAL, { ...record(0), cohort: 0, received: 0 });
    store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
    store.addContributor('run-1', { contributorId: 'bob00000', tokenHash: 'h2', backend: 'webgpu' });
  });

  it('creates a run with its first adapter and record', () => {
    expect(store.getRun('run-1')).toEqual(storedRun('run-1'));
    expect(store.latestAdapter('run-1')).toEqual({ adapterVersion: 0, parameters: INITIAL });
    expect(Object.is(store.latestAdapter('run-1').parameters[1], -0)).toBe(true);
    expect(store.listRecords('run-1')).toEqual([{ ...record(0), cohort: 0, received: 0 }]);
    expect(store.getRun('run-2')).toBeUndefined();
    expectStoreError(() => store.createRun(storedRun('run-1'), INITIAL, record(0)));
    expectStoreError(() => store.latestAdapter('run-2'));
  });

  it('lists runs oldest first, those of one millisecond as they were created', () => {
    store.createRun(storedRun('run-3', 1000), INITIAL, record(0));
    store.createRun({ ...storedRun('run-2', 500), evaluationSha256: 'e'.repeat(64) }, INITIAL, record(0));
    expect(store.listRuns().map(({ run }) => run.runId)).toEqual(['run-2', 'run-1', 'run-3']);
    expect(store.getRun('run-2')!.evaluationSha256).toBe('e'.repeat(64));
  });

  it('saves the engine state', () => {
    store.saveEngine('run-1', engine(7));
    expect(store.getRun('run-1')).toMatchObject(engine(7));
    expectStoreError(() => store.saveEngine('run-9', engine(7)));
  });

  it('keeps contributors of each run', () => {
    expect(store.getContributor('run-1', 'alice000')).toEqual({
      contributorId: 'alice000',
      tokenHash: 'h1',
      backend: 'wasm',
      lastRefusal: null,
      rounds: 0,
      chargedRounds: 0,
    });
    store.setBackend('run-1', 'alice000', 'cpu');
    store.setLastRefusal('run-1', 'alice000', 'UPDATE_SIZE');
    expect(store.listContributors('run-1')).toMatchObject([
      { contributorId: 'alice000', backend: 'cpu', lastRefusal: 'UPDATE_SIZE' },
      { contributorId: 'bob00000', backend: 'webgpu', lastRefusal: null },
    ]);
    expect(store.getContributor('run-1', 'carol000')).toBeUndefined();
    expect(store.getContributor('run-2', 'alice000')).toBeUndefined();
    expect(store.listContributors('run-2')).toEqual([]);
    const again = { contributorId: 'alice000', tokenHash: 'h9', backend: 'wasm' } as const;
    expectStoreError(() => store.addContributor('run-1', again));
    expectStoreError(() => store.addContributor('run-2', again));
    expectStoreError(() => store.setBackend('run-1', 'carol000', 'cpu'));
    expectStoreError(() => store.setLastRefusal('run-1', 'carol000', 'UPDATE_SIZE'));
  });

  it('stores an update and the engine state that counts it', () => {
    store.acceptUpdate('run-1', 1, update('bob00000', 1, 2), engine(1));
    store.acceptUpdate('run-1', 1, update('alice000', 3), engine(2));
    store.acceptUpdate('run-1', 2, update('alice000', 4), engine(3));
    expect(store.getRun('run-1')).toMatchObject(engine(3));
    expect(store.getUpdateHash('run-1', 1, 'bob00000')).toBe('bob00000-1,2');
    expect(store.getUpdateHash('run-1', 2, 'bob00000')).toBeUndefined();
    expect(store.listUpdates('run-1', 1)).toEqual([
      { contributorId: 'alice000', sha256: 'alice000-3', bytes: Uint8Array.of(3) },
      { contributorId: 'bob00000', sha256: 'bob00000-1,2', bytes: Uint8Array.of(1, 2) },
    ]);
    expect(store.listUpdates('run-1', 3)).toEqual([]);
    expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2]);
    expect(store.getContributor('run-1', 'alice000')).toMatchObject({ rounds: 2, chargedRounds: 2 });
    expect(store.listContributors('run-1').map(({ rounds }) => rounds)).toEqual([2, 1]);
  });

  it('adds charges and never takes one back', () => {
    store.acceptUpdate('run-1', 2, update('alice000', 3), engine(1));
    store.chargeRounds('run-1', 'alice000', [10, 1, 2]);
    store.chargeRounds('run-1', 'alice000', []);
    store.chargeRounds('run-1', 'alice000', [1]);
    store.acceptUpdate('run-1', 1, update('alice000', 4), engine(2)); // charged before it was accepted
    expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2, 10]);
    expect(store.chargedRounds('run-1', 'bob00000')).toEqual([]);
    expect(store.chargedRounds('run-9', 'alice000')).toEqual([]);
    expect(store.listContributors('run-1')).toMatchObject([
      { rounds: 2, chargedRounds: 3 },
      { rounds: 0, chargedRounds: 0 },
    ]);
    expect(store.mostChargedRounds('run-1')).toBe(3);
    store.chargeRounds('run-1', 'bob00000', [7, 7, 8, 9, 10]);
    expect(store.mostChargedRounds('run-1')).toBe(4);
    expect(store.listContributors('run-1')).toMatchObject([
      { contributorId: 'alice000', rounds: 2, chargedRounds: 3 },
      { contributorId: 'bob00000', rounds: 0, chargedRounds: 4 },
    ]);
    expect(store.mostChargedRounds('run-9')).toBe(0);
    expectStoreError(() => store.chargeRounds('run-1', 'carol000', [1]));
    expectStoreError(() => store.chargeRounds('run-9', 'alice000', [1]));
  });

  it('counts the charges and updates of each run for itself', () => {
    store.createRun(storedRun('run-2', 2000), INITIAL, record(0));
    store.addContributor('run-2', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
    store.chargeRounds('run-2', 'alice000', [1, 2, 3, 4, 5]);
    store.acceptUpdate('run-1', 1, update('alice000', 3), engine(1));
    expect(store.mostChargedRounds('run-1')).toBe(1);
    expect(store.mostChargedRounds('run-2')).toBe(5);
    expect(store.listContributors('run-1')).toMatchObject([
      { rounds: 1, chargedRounds: 1 },
      { rounds: 0, chargedRounds: 0 },
    ]);
    expect(store.listContributors('run-2')).toMatchObject([{ rounds: 0, chargedRounds: 5 }]);
  });

  it('changes nothing when an update is not new or from a stranger', () => {
    store.acceptUpdate('run-1', 1, update('bob00000', 1), engine(1));
    expectStoreError(() => store.acceptUpdate('run-1', 1, update('bob00000', 2), engine(2)));
    expectStoreError(() => store.acceptUpdate('run-1', 1, update('carol000', 2), engine(2)));
    expectStoreError(() => store.acceptUpdate('run-9', 1, update('bob00000', 2), engine(2)));
    expect(store.listUpdates('run-1', 1)).toHaveLength(1);
    expect(store.chargedRounds('run-1', 'bob00000')).toEqual([1]);
    expect(store.getUpdateHash('run-1', 1, 'bob00000')).toBe('bob00000-1');
    expect(store.getRun('run-1')).toMatchObject(engine(1));
  });

  it('keeps its own copy of bytes and parameters', () => {
    const one = update('bob00000', 1, 2);
    store.acceptUpdate('run-1', 1, one, engine(1));
    one.bytes.fill(9);
    const parameters = Float64Array.of(1, 2, 3);
    store.closeRound('run-1', { adapterVersion: 1, parameters }, record(1), engine(2));
    parameters.fill(9);
    store.latestAdapter('run-1').parameters.fill(8);
    store.listUpdates('run-1', 1)[0]!.bytes.fill(8);
    expect(store.listUpdates('run-1', 1)[0]!.bytes).toEqual(Uint8Array.of(1, 2));
    expect(store.latestAdapter('run-1').parameters).toEqual(Float64Array.of(1, 2, 3));
  });

  it('stores a part of a larger buffer as that part', () => {
    const whole = Uint8Array.of(7, 7, 1, 2, 7);
    store.acceptUpdate('run-1', 1, { ...update('bob00000'), bytes: whole.subarray(2, 4) }, engine(1));
    expect(store.listUpdates('run-1', 1)[0]!.bytes).toEqual(Uint8Array.of(1, 2));
    const parameters = Float64Array.of(9, 1, 2, 3).subarray(1);
    store.closeRound('run-1', { adapterVersion: 1, parameters }, record(1), engine(2));
    expect(store.latestAdapter('run-1').parameters).toEqual(Float64Array.of(1, 2, 3));
  });

  it('closes a round: adapter, record and engine state', () => {
    store.closeRound(
      'run-1',
      { adapterVersion: 1, parameters: Float64Array.of(1, 2, 3) },
      record(1),
      engine(4),
    );
    expect(store.latestAdapter('run-1').adapterVersion).toBe(1);
    expect(store.getAdapter('run-1', 0)!.parameters).toEqual(INITIAL);
    expect(store.getAdapter('run-1', 1)!.parameters).toEqual(Float64Array.of(1, 2, 3));
    expect(store.getAdapter('run-1', 2)).toBeUndefined();
    expect(store.listRecords('run-1')[1]).toEqual(record(1));
    expect(store.getRun('run-1')).toMatchObject(engine(4));
  });

  it('closes a round all or nothing', () => {
    store.closeRound('run-1', { adapterVersion: 1, parameters: INITIAL }, record(1), engine(4));
    // A new adapter with an old record, an old adapter with a new record, a run that is not there.
    expectStoreError(() =>
      store.closeRound('run-1', { adapterVersion: 2, parameters: INITIAL }, record(1), engine(5)),
    );
    expectStoreError(() =>
      store.closeRound('run-1', { adapterVersion: 1, parameters: INITIAL }, record(2), engine(5)),
    );
    expectStoreError(() =>
      store.closeRound('run-9', { adapterVersion: 1, parameters: INITIAL }, record(1), engine(5)),
    );
    expect(store.latestAdapter('run-1').adapterVersion).toBe(1);
    expect(store.listRecords('run-1')).toHaveLength(2);
    expect(store.getRun('run-1')).toMatchObject(engine(4));
  });

  it('writes test results into a record, with the engine state or without', () => {
    store.recordEvaluation('run-1', 0, { testAccuracy: 0.5, testLoss: 0.7 });
    expect(store.listRecords('run-1')[0]).toMatchObject({ testAccuracy: 0.5, testLoss: 0.7, round: 0 });
    expect(store.getRun('run-1')!.engineState).toBe('{"n":0}');
    store.recordEvaluation('run-1', 0, null, engine(6));
    expect(store.listRecords('run-1')[0]).toMatchObject({ testAccuracy: 0.5 });
    expect(store.getRun('run-1')).toMatchObject(engine(6));
    expectStoreError(() => store.recordEvaluation('run-1', 5, null, engine(7)));
    expect(store.getRun('run-1')).toMatchObject(engine(6));
  });

  it('keeps one admin token and sessions that expire', () => {
    expect(store.getAdminTokenHash()).toBeUndefined();
    store.setAdminTokenHash('one');
    store.setAdminTokenHash('two');
    expect(store.getAdminTokenHash()).toBe('two');
    store.addSession('s1', 100, 0);
    expect(store.hasSession('s1', 99)).toBe(true);
    expect(store.hasSession('s1', 100)).toBe(false);
    expect(store.hasSession('s2', 0)).toBe(false);
    store.addSession('s2', 300, 200);
    expect(store.hasSession('s1', 50)).toBe(false);
  });

  it('refuses everything after close', () => {
    store.close();
    expectStoreError(() => store.listRuns());
    expectStoreError(() => store.setAdminTokenHash('x'));
    expectStoreError(() => store.saveEngine('run-1', engine(1)));
  });
});

describe('the sqlite store on disk', () => {
  it('has everything after it was closed and opened again', () => {
    const path = join(directory, 'again.sqlite');
    const first = openSqliteStore(path);
    first.createRun(storedRun('run-1'), INITIAL, record(0));
    first.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
    first.acceptUpdate('run-1', 1, update('alice000', 1, 2), engine(1));
    first.closeRound(
      'run-1',
      { adapterVersion: 1, parameters: Float64Array.of(4, 5, 6) },
      record(1),
      engine(2),
    );
    first.setAdminTokenHash('hash');
    first.close();
    const second = openSqliteStore(path);
    expect(second.getRun('run-1')).toEqual({ ...storedRun('run-1'), ...engine(2) });
    expect(second.listUpdates('run-1', 1)[0]!.bytes).toEqual(Uint8Array.of(1, 2));
    expect(second.latestAdapter('run-1').parameters).toEqual(Float64Array.of(4, 5, 6));
    expect(second.listRecords('run-1')).toHaveLength(2);
    expect(second.getAdminTokenHash()).toBe('hash');
    second.close();
  });
});
