import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { roundRecordSchema, runPlanSchema } from '@chorale/protocol';
import { MIGRATIONS } from './migrations.ts';
import { openDatabase } from './sqliteDatabase.ts';
import { openSqliteStore } from './sqliteStore.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-migrations-'));
  path = join(directory, 'old.sqlite');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** A plan as the first release wrote it, defaults filled in. */
const planOf = (privacy: object) => ({
  config: {
    name: 'Old run',
    purpose: '',
    operator: '',
    model: 'tiny-encoder',
    task: { type: 'sequence-classification', labels: ['no', 'yes'], maxTokens: 64, pooling: 'mean' },
    adapter: {
      strategy: 'ffa-lora',
      rank: 8,
      alpha: 8,
      targetModules: ['query', 'value'],
      basis: 'orthonormal',
      head: 'trained',
      seed: 1,
    },
    training: {
      localSteps: 10,
      learningRate: 0.5,
      samplingRate: 0.1,
      expectedBatchSize: 8,
      clippingNorm: 1,
    },
    privacy,
    rounds: { count: 5, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 120 },
    aggregation: { rule: 'mean', serverOptimizer: { name: 'sgd', learningRate: 1 } },
    transport: { encoding: 'f32' },
  },
  noiseMultiplier: 1.25,
  model: {
    name: 'tiny',
    files: [{ name: 'config.json', path: '/m/config.json', sizeBytes: 2, sha256: 'a'.repeat(64) }],
  },
  basisHash: 'b'.repeat(64),
  parameterCount: 3,
});

const RECORD = {
  round: 1,
  attempt: 1,
  cohort: 2,
  received: 2,
  adapterVersion: 1,
  testAccuracy: 0.1234567890123456,
  testLoss: null,
  spentEpsilon: 1.5,
  uplinkBytes: 92,
  durationMs: 12.5,
};

const TRAINING = {
  version: 1,
  phase: { status: 'training', open: { round: 3, attempt: 1, startedAtMs: 1, deadlineMs: 2, members: [] } },
  adapterVersion: 2,
  warning: null,
};

function writeFirstRelease(): void {
  const database = openDatabase(path, MIGRATIONS.slice(0, 1));
  const insertRun = database.prepare(
    'INSERT INTO runs (id, plan, plan_hash, created_at_ms, status, engine_state) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const example = JSON.stringify(planOf({ unit: 'example', noiseMultiplier: 1.25, targetDelta: 1e-5 }));
  const none = JSON.stringify(planOf({ unit: 'none' }));
  const completed = JSON.stringify({ ...TRAINING, phase: { status: 'completed' } });
  insertRun.run('going', example, 'c'.repeat(64), 1, 'training', JSON.stringify(TRAINING));
  insertRun.run('ended', none, 'd'.repeat(64), 2, 'completed', completed);
  database.exec(`
    INSERT INTO contributors (run_id, id, token_hash, backend) VALUES
      ('going', 'alice000', 'h1', 'wasm'), ('going', 'bob00000', 'h2', 'wasm');
    INSERT INTO updates (run_id, round, contributor_id, sha256, received_at_ms, bytes) VALUES
      ('going', 2, 'alice000', 's2', 5, x'01'), ('going', 1, 'alice000', 's1', 4, x'02');
  `);
  database.prepare("INSERT INTO records VALUES ('going', 1, ?)").run(JSON.stringify(RECORD));
  database
    .prepare("INSERT INTO adapters VALUES ('going', 2, ?)")
    .run(new Uint8Array(Float64Array.of(1.5, -0, 1e-300).buffer));
  database.close();
}

describe('a database of the first release', () => {
  it('charges every round of which it has an update', () => {
    writeFirstRelease();
    const store = openSqliteStore(path);
    expect(store.chargedRounds('going', 'alice000')).toEqual([1, 2]);
    expect(store.chargedRounds('going', 'bob00000')).toEqual([]);
    expect(store.getContributor('going', 'alice000')).toMatchObject({ rounds: 2, chargedRounds: 2 });
    store.close();
  });

  it('has plans and records that can be read, with all their numbers', () => {
    writeFirstRelease();
    const store = openSqliteStore(path);
    const [going, ended] = store.listRuns().map(({ run }) => runPlanSchema.parse(run.plan));
    expect(going!.config.training.clipping).toBe('flat');
    expect(going!.config.task.textPair).toBe(false);
    const file = { sizeBytes: 2, sha256: 'a'.repeat(64) };
    expect(going!.model).toEqual({
      name: 'tiny',
      source: null,
      files: [{ name: 'config.json', ...file, pieces: [file] }],
    });
    expect(going!.config.privacy).toEqual({
      unit: 'example',
      noiseMultiplier: 1.25,
      targetDelta: 1e-5,
      noise: 'rounded-gaussian',
    });
    expect(going).toEqual(store.getRun('going')!.run.plan); // nothing was left for the schema to fill in
    expect(ended!.config.privacy).toEqual({ unit: 'none' });
    expect(store.listRecords('going')).toEqual([{ ...RECORD, localMetrics: null }]);
    roundRecordSchema.parse(store.listRecords('going')[0]);
    store.close();
  });

  it('gives a trained head the bias of zero that it had, and leaves the other numbers as they are', () => {
    writeFirstRelease();
    const store = openSqliteStore(path);
    const plan = store.getRun('going')!.run.plan;
    expect([plan.parameterCount, plan.trainedRanges]).toEqual([5, [{ start: 0, end: 5 }]]);
    expect(store.latestAdapter('going').parameters).toEqual(Float64Array.of(1.5, -0, 1e-300, 0, 0));
    store.close();
  });

  it('ends the runs that nobody can agree to any more, and only those', () => {
    writeFirstRelease();
    const store = openSqliteStore(path);
    const [going, ended] = store.listRuns();
    expect(going!.status).toBe('failed');
    expect(JSON.parse(going!.engineState)).toEqual({
      ...TRAINING,
      phase: { status: 'failed', round: 3, message: expect.stringMatching(/start a new run/) as string },
    });
    expect(ended!.status).toBe('completed');
    expect(JSON.parse(ended!.engineState)).toMatchObject({ phase: { status: 'completed' } });
    store.close();
  });
});
