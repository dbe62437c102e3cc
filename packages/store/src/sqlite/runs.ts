import type { RunPlan, RunStatus } from '@chorale/protocol';
import type { Store, StoredRun } from '../store.ts';
import type { Access, Row } from './access.ts';
import { optional } from './access.ts';
import { toBlob } from './blobs.ts';

export function runMethods({
  database,
  read,
  write,
  saveEngine,
}: Access): Pick<Store, 'createRun' | 'listRuns' | 'getRun' | 'saveEngine'> {
  const insertRun = database.prepare(
    'INSERT INTO runs (id, plan, plan_hash, created_at_ms, status, engine_state, evaluation_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)',
  );
  const insertAdapter = database.prepare(
    'INSERT INTO adapters (run_id, version, parameters) VALUES (?, 0, ?)',
  );
  const insertRecord = database.prepare('INSERT INTO records (run_id, round, record) VALUES (?, ?, ?)');
  const listRuns = database.prepare('SELECT * FROM runs ORDER BY created_at_ms, rowid');
  const getRun = database.prepare('SELECT * FROM runs WHERE id = ?');

  return {
    createRun(stored, initialParameters, firstRecord) {
      const { runId, plan, planHash } = stored.run;
      write('create the run', () => {
        insertRun.run(
          runId,
          JSON.stringify(plan),
          planHash,
          stored.createdAtMs,
          stored.status,
          stored.engineState,
          stored.evaluationSha256,
        );
        insertAdapter.run(runId, toBlob(initialParameters));
        insertRecord.run(runId, firstRecord.round, JSON.stringify(firstRecord));
      });
    },
    listRuns: () => read('list the runs', () => listRuns.all().map(toRun)),
    getRun: (runId) => read('read the run', () => optional(getRun.get(runId), toRun)),
    saveEngine: (runId, engine) => write('save the state of the run', () => saveEngine(runId, engine)),
  };
}

// The casts are safe: only this file writes these columns, from values of these types; whoever uses a plan parses it.
function toRun(row: Row): StoredRun {
  return {
    run: {
      runId: String(row['id']),
      plan: JSON.parse(String(row['plan'])) as RunPlan,
      planHash: String(row['plan_hash']),
    },
    createdAtMs: Number(row['created_at_ms']),
    status: row['status'] as RunStatus,
    engineState: String(row['engine_state']),
    evaluationSha256: row['evaluation_sha256'] as string | null,
  };
}
