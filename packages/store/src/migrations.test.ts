import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolvedRunSchema, roundRecordSchema } from '@chorale/protocol';
import { MIGRATIONS } from './migrations.ts';
import { openDatabase } from './sqlite/database.ts';
import { openSqliteStore } from './sqliteStore.ts';
import type { Store } from './store.ts';
import {
  LARGE_UPDATE,
  PARAMETERS,
  RECORD,
  SMALL_UPDATE,
  TRAINING,
  planOf,
  writeRelease,
} from './testing/oldReleases.ts';
import { auditEntry, engine, hashOf, invite, record, update } from './testing/storeRows.ts';

let directory: string;
let path: string;
let store: Store | undefined;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-migrations-'));
  path = join(directory, 'old.sqlite');
});
afterEach(() => {
  store?.close();
  store = undefined;
  rmSync(directory, { recursive: true, force: true });
});

const RELEASES = MIGRATIONS.slice(1).map((_, index) => index + 1);

it('has releases before this one to start from', () => {
  expect(RELEASES).toEqual([1, 2, 3]);
});

describe.each(RELEASES)('a database of schema %i', (version) => {
  beforeEach(() => {
    writeRelease(path, version);
    store = openSqliteStore(path);
  });

  // Up to schema 2 the bias of a trained head, one number a label, was not there.
  const biases = version <= 2 ? 2 : 0;

  it('has plans that can be read, with all their numbers', () => {
    const runs = store!.listRuns().map(({ run }) => run);
    // Nothing is left for the schema to fill in
    expect(runs.map((run) => resolvedRunSchema.parse(run))).toEqual(runs);
    const [going, ended] = runs.map(({ plan }) => plan);
    const before = planOf(3, { unit: 'example' });
    const parameterCount = 3 + biases;
    expect(going).toEqual({
      ...before,
      config: {
        ...(before['config'] as object),
        privacy: {
          unit: 'example',
          noiseMultiplier: 1.25,
          targetDelta: 1e-5,
          noise: 'rounded-gaussian',
        },
        rounds: { count: 5, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 120, overSelection: 0 },
        aggregation: {
          rule: 'mean',
          normWindow: 'off',
          serverOptimizer: { name: 'sgd', learningRate: 1 },
        },
        access: 'open',
      },
      parameterCount,
      tensors: [{ name: 'parameters', count: parameterCount }],
      trainedRanges: [{ start: 0, end: parameterCount }],
    });
    expect(ended!.config.privacy).toEqual({ unit: 'none' });
  });

  it('ends the runs that nobody can agree to any more, and only those', () => {
    const [going, ended] = store!.listRuns();
    expect(going!.status).toBe('failed');
    expect(JSON.parse(going!.engineState)).toEqual({
      ...TRAINING,
      phase: { status: 'failed', round: 3, message: expect.stringMatching(/start a new run/) as string },
    });
    expect(ended!.status).toBe('completed');
    expect(JSON.parse(ended!.engineState)).toMatchObject({ phase: { status: 'completed' } });
  });

  it('has its contributors, updates, charges, adapters, records and sessions as they were', () => {
    expect(store!.listContributors('going')).toEqual([
      {
        contributorId: 'alice000',
        tokenHash: 'h1',
        backend: 'wasm',
        lastRefusal: null,
        rounds: 2,
        chargedRounds: 2,
      },
      {
        contributorId: 'bob00000',
        tokenHash: 'h2',
        backend: 'webgpu',
        lastRefusal: 'UPDATE_SIZE',
        rounds: 0,
        chargedRounds: version === 1 ? 0 : 1,
      },
    ]);
    expect(store!.chargedRounds('going', 'alice000')).toEqual([1, 2]);
    // Their runs have ended, so the bytes are gone; keys and hashes stay
    const updates = [LARGE_UPDATE, SMALL_UPDATE].entries();
    for (const [i, bytes] of updates) {
      expect([...store!.eachUpdate('going', i + 1)]).toEqual([]);
      expect(store!.receivedContributors('going', i + 1)).toEqual(['alice000']);
      expect(store!.getUpdateHash('going', i + 1, 'alice000')).toBe(hashOf(bytes));
    }
    const { parameters, optimizerState } = store!.latestAdapter('going');
    expect(parameters).toEqual(Float64Array.of(...PARAMETERS, ...Array<number>(biases).fill(0)));
    expect(optimizerState).toBeNull();
    expect(store!.listRecords('going')).toEqual([{ ...RECORD, localMetrics: null }]);
    roundRecordSchema.parse(store!.listRecords('going')[0]);
    expect(store!.getAdminTokenHash()).toBe('token');
    expect(store!.hasSession('s1', 899)).toBe(true);
    expect(store!.listAudit(10, null)).toEqual([]);
    expect(store!.listInvites('going')).toEqual([]);
  });

  it('takes everything that a new one takes', () => {
    const bob = update(3, 'bob00000', SMALL_UPDATE);
    store!.acceptUpdates('going', [bob], engine(1));
    expect(() => store!.acceptUpdates('going', [bob], null)).toThrow(/could not store/);
    expect(() => store!.acceptUpdates('going', [{ ...bob, contributorId: 'carol000' }], null)).toThrow(
      /could not store/,
    );
    const state = Float64Array.of(1, 2);
    const adapter = { adapterVersion: 3, parameters: PARAMETERS, optimizerState: state };
    store!.closeRound('going', adapter, record(3), engine(2), false);
    expect(store!.latestAdapter('going').optimizerState).toEqual(state);
    expect([...store!.eachUpdate('going', 3)]).toEqual([]);
    store!.addInvite('going', invite('invite-1'));
    store!.appendAudit(auditEntry('one'));
    store!.checkWritable();
  });

  it('has the schema of a new one, and no broken key', () => {
    store!.close();
    store = undefined;
    const fresh = join(directory, 'new.sqlite');
    openSqliteStore(fresh).close();
    expect(schemaOf(path)).toEqual(schemaOf(fresh));
    const database = openDatabase(path);
    expect(database.prepare('PRAGMA foreign_key_check').all()).toEqual([]);
    database.close();
  });
});

it('cuts a plan that trained two ranges where they meet', () => {
  writeRelease(path, 3);
  store = openSqliteStore(path);
  const { plan } = resolvedRunSchema.parse(store.getRun('turns')!.run);
  expect(plan.tensors).toEqual([
    { name: 'parameters.1', count: 1 },
    { name: 'parameters.2', count: 2 },
  ]);
  expect(plan.trainedRanges).toEqual([
    { start: 1, end: 3 },
    { start: 0, end: 1 },
  ]);
});

/** What the schema says, without the words it is said with. */
function schemaOf(file: string): unknown {
  const database = new DatabaseSync(file, { readOnly: true });
  const tables = database.prepare('PRAGMA table_list').all();
  const schema = tables
    .filter(({ name }) => !String(name).startsWith('sqlite_'))
    .map(({ name, strict, wr }) => ({
      name,
      strict,
      wr,
      columns: database.prepare('SELECT * FROM pragma_table_xinfo(?)').all(String(name)),
      keys: database.prepare('SELECT * FROM pragma_foreign_key_list(?)').all(String(name)),
      indexes: database
        .prepare('SELECT l.name, l."unique", x.* FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x')
        .all(String(name)),
    }))
    .toSorted((a, b) => (String(a.name) < String(b.name) ? -1 : 1));
  database.close();
  return schema;
}
