import { DatabaseSync } from 'node:sqlite';
import { MIGRATIONS } from '../migrations.ts';
import { hashOf } from './storeRows.ts';

// Databases as earlier releases left them, written with the SQL they had.

export const RECORD = {
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

export const TRAINING = {
  version: 1,
  phase: { status: 'training', open: { round: 3, attempt: 1, startedAtMs: 1, deadlineMs: 2, members: [] } },
  adapterVersion: 2,
  warning: null,
};

/** As the engine writes it where every cohort member is received; longer than a page. */
export const LARGE_UPDATE = Uint8Array.from({ length: 50_000 }, (_, at) => (at * 7) % 251);
export const SMALL_UPDATE = Uint8Array.of(1, 2, 3);

/** Parameters of version 2 of the run `going`, before any migration. */
export const PARAMETERS = Float64Array.of(1.5, -0, 1e-300);

const FILE = { name: 'config.json', sizeBytes: 2, sha256: 'a'.repeat(64) };

/** A plan as the release with this schema wrote it, defaults filled in. */
export function planOf(version: number, privacy: { unit: string }): Record<string, unknown> {
  const noised = version >= 2 && privacy.unit !== 'none';
  return {
    config: {
      name: 'Old run',
      purpose: '',
      operator: '',
      model: 'tiny-encoder',
      task: {
        type: 'sequence-classification',
        labels: ['no', 'yes'],
        maxTokens: 64,
        pooling: 'mean',
        ...(version >= 3 && { textPair: false }),
      },
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
        ...(version >= 2 && { clipping: 'flat' }),
      },
      privacy: { ...privacy, ...(noised && { noise: 'rounded-gaussian' }) },
      rounds: { count: 5, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 120 },
      aggregation: { rule: 'mean', serverOptimizer: { name: 'sgd', learningRate: 1 } },
      transport: { encoding: 'f32' },
    },
    noiseMultiplier: 1.25,
    model: {
      name: 'tiny',
      ...(version >= 3
        ? {
            source: null,
            files: [{ ...FILE, pieces: [{ sizeBytes: FILE.sizeBytes, sha256: FILE.sha256 }] }],
          }
        : { files: [{ ...FILE, path: '/m/config.json' }] }),
    },
    basisHash: 'b'.repeat(64),
    parameterCount: 3,
    ...(version >= 3 && { trainedRanges: [{ start: 0, end: 3 }] }),
  };
}

/**
 * Writes a database with two runs: `going`, in training, with two contributors, updates, charges, an adapter and a record;
 * `ended`, completed, without privacy; from schema 3 on also `turns`, completed, which trained two ranges in turns.
 */
export function writeRelease(path: string, version: number): void {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
  database.exec('PRAGMA journal_mode = WAL');
  for (const migration of MIGRATIONS.slice(0, version)) database.exec(migration);
  database.exec(`PRAGMA user_version = ${version}`);
  const insertRun = database.prepare(
    'INSERT INTO runs (id, plan, plan_hash, created_at_ms, status, engine_state) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const example = { unit: 'example', noiseMultiplier: 1.25, targetDelta: 1e-5 };
  const completed = JSON.stringify({ ...TRAINING, phase: { status: 'completed' } });
  const going = JSON.stringify(planOf(version, example));
  const ended = JSON.stringify(planOf(version, { unit: 'none' }));
  insertRun.run('going', going, 'c'.repeat(64), 1, 'training', JSON.stringify(TRAINING));
  insertRun.run('ended', ended, 'd'.repeat(64), 2, 'completed', completed);
  if (version >= 3) {
    const trainedRanges = [
      { start: 1, end: 3 },
      { start: 0, end: 1 },
    ];
    const turns = JSON.stringify({ ...planOf(version, { unit: 'none' }), trainedRanges });
    insertRun.run('turns', turns, 'e'.repeat(64), 3, 'completed', completed);
  }
  database.exec(`
    INSERT INTO contributors (run_id, id, token_hash, backend, last_refusal) VALUES
      ('going', 'alice000', 'h1', 'wasm', NULL), ('going', 'bob00000', 'h2', 'webgpu', 'UPDATE_SIZE');
  `);
  const insertUpdate = database.prepare(
    'INSERT INTO updates (run_id, round, contributor_id, sha256, received_at_ms, bytes) VALUES (?, ?, ?, ?, ?, ?)',
  );
  insertUpdate.run('going', 2, 'alice000', hashOf(SMALL_UPDATE), 5, SMALL_UPDATE);
  insertUpdate.run('going', 1, 'alice000', hashOf(LARGE_UPDATE), 4, LARGE_UPDATE);
  if (version >= 2) {
    // Bob's was charged, and never arrived
    database.exec(`INSERT INTO charges (run_id, contributor_id, round) VALUES
      ('going', 'alice000', 1), ('going', 'alice000', 2), ('going', 'bob00000', 1)`);
  }
  const record = version >= 2 ? { ...RECORD, localMetrics: null } : RECORD;
  database.prepare("INSERT INTO records VALUES ('going', 1, ?)").run(JSON.stringify(record));
  database
    .prepare("INSERT INTO adapters (run_id, version, parameters) VALUES ('going', 2, ?)")
    .run(new Uint8Array(PARAMETERS.buffer));
  database.exec(
    "INSERT INTO admin_token (id, hash) VALUES (1, 'token'); INSERT INTO sessions VALUES ('s1', 900)",
  );
  database.close();
}
