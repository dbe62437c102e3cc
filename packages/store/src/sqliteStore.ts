import type { BackendName, ErrorCode, RoundRecord, RunPlan, RunStatus } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { openDatabase, transaction } from './sqliteDatabase.ts';
import type { EngineRow, Store, StoredAdapter, StoredContributor, StoredRun, StoredUpdate } from './store.ts';
import { missing } from './storeErrors.ts';

type Row = Record<string, unknown>;

/**
 * Opens the store of a data directory in one SQLite file (`node:sqlite`), creating it when it is not there.
 * @param path the file; ":memory:" keeps everything in this process
 * @throws {ChoraleError} STORE_ERROR, also when a newer release wrote the file
 */
export function openSqliteStore(path: string): Store {
  const database = openDatabase(path);
  const statements = {
    insertRun: database.prepare(
      'INSERT INTO runs (id, plan, plan_hash, created_at_ms, status, engine_state, evaluation_sha256) VALUES (?, ?, ?, ?, ?, ?, ?)',
    ),
    listRuns: database.prepare('SELECT * FROM runs ORDER BY created_at_ms, rowid'),
    getRun: database.prepare('SELECT * FROM runs WHERE id = ?'),
    saveEngine: database.prepare('UPDATE runs SET status = ?, engine_state = ? WHERE id = ?'),
    insertContributor: database.prepare(
      'INSERT INTO contributors (run_id, id, token_hash, backend) VALUES (?, ?, ?, ?)',
    ),
    getContributor: database.prepare(
      `SELECT *, (SELECT count(*) FROM updates u WHERE u.run_id = c.run_id AND u.contributor_id = c.id) AS rounds,
         (SELECT count(*) FROM charges h WHERE h.run_id = c.run_id AND h.contributor_id = c.id) AS charged_rounds
       FROM contributors c WHERE run_id = ? AND id = ?`,
    ),
    listContributors: database.prepare(
      `SELECT *, (SELECT count(*) FROM updates u WHERE u.run_id = c.run_id AND u.contributor_id = c.id) AS rounds,
         (SELECT count(*) FROM charges h WHERE h.run_id = c.run_id AND h.contributor_id = c.id) AS charged_rounds
       FROM contributors c WHERE run_id = ? ORDER BY c.rowid`,
    ),
    setBackend: database.prepare('UPDATE contributors SET backend = ? WHERE run_id = ? AND id = ?'),
    setLastRefusal: database.prepare('UPDATE contributors SET last_refusal = ? WHERE run_id = ? AND id = ?'),
    insertUpdate: database.prepare(
      'INSERT INTO updates (run_id, round, contributor_id, sha256, received_at_ms, bytes) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    getUpdateHash: database.prepare(
      'SELECT sha256 FROM updates WHERE run_id = ? AND round = ? AND contributor_id = ?',
    ),
    listUpdates: database.prepare(
      'SELECT contributor_id, sha256, bytes FROM updates WHERE run_id = ? AND round = ? ORDER BY contributor_id',
    ),
    insertCharge: database.prepare(
      'INSERT INTO charges (run_id, contributor_id, round) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
    ),
    // One statement for all of them: a tab may bring a hundred thousand. `WHERE true` tells ON CONFLICT from a join's ON
    insertCharges: database.prepare(
      `INSERT INTO charges (run_id, contributor_id, round) SELECT ?, ?, value FROM json_each(?) WHERE true
       ON CONFLICT DO NOTHING`,
    ),
    chargedRounds: database.prepare(
      'SELECT round FROM charges WHERE run_id = ? AND contributor_id = ? ORDER BY round',
    ),
    // Counting along the key of each contributor takes two thirds of the time of a GROUP BY over all charges
    mostChargedRounds: database.prepare(
      `SELECT coalesce(max((SELECT count(*) FROM charges h WHERE h.run_id = c.run_id AND h.contributor_id = c.id)), 0)
         AS most
       FROM contributors c WHERE run_id = ?`,
    ),
    insertAdapter: database.prepare('INSERT INTO adapters (run_id, version, parameters) VALUES (?, ?, ?)'),
    getAdapter: database.prepare('SELECT version, parameters FROM adapters WHERE run_id = ? AND version = ?'),
    latestAdapter: database.prepare(
      'SELECT version, parameters FROM adapters WHERE run_id = ? ORDER BY version DESC LIMIT 1',
    ),
    insertRecord: database.prepare('INSERT INTO records (run_id, round, record) VALUES (?, ?, ?)'),
    getRecord: database.prepare('SELECT record FROM records WHERE run_id = ? AND round = ?'),
    updateRecord: database.prepare('UPDATE records SET record = ? WHERE run_id = ? AND round = ?'),
    listRecords: database.prepare('SELECT record FROM records WHERE run_id = ? ORDER BY round'),
    setAdminToken: database.prepare(
      'INSERT INTO admin_token (id, hash) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET hash = excluded.hash',
    ),
    getAdminToken: database.prepare('SELECT hash FROM admin_token WHERE id = 1'),
    insertSession: database.prepare('INSERT OR REPLACE INTO sessions (hash, expires_at_ms) VALUES (?, ?)'),
    expireSessions: database.prepare('DELETE FROM sessions WHERE expires_at_ms <= ?'),
    getSession: database.prepare('SELECT 1 FROM sessions WHERE hash = ? AND expires_at_ms > ?'),
  };

  /** The text of the driver's error stays in `cause`: it may name paths. */
  function guarded<T>(what: string, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof ChoraleError) throw error;
      throw new ChoraleError('STORE_ERROR', `could not ${what}; try again, then look into the server's log`, {
        cause: error,
      });
    }
  }
  const write = <T>(what: string, work: () => T): T => guarded(what, () => transaction(database, work));

  function changeOne(result: { changes: number | bigint }, what: string): void {
    if (Number(result.changes) !== 1) throw missing(what);
  }
  function saveEngine(runId: string, engine: EngineRow): void {
    changeOne(statements.saveEngine.run(engine.status, engine.engineState, runId), `run ${runId}`);
  }

  return {
    createRun(stored, initialParameters, firstRecord) {
      const { run } = stored;
      write('create the run', () => {
        statements.insertRun.run(
          run.runId,
          JSON.stringify(run.plan),
          run.planHash,
          stored.createdAtMs,
          stored.status,
          stored.engineState,
          stored.evaluationSha256,
        );
        statements.insertAdapter.run(run.runId, 0, toBlob(initialParameters));
        statements.insertRecord.run(run.runId, firstRecord.round, JSON.stringify(firstRecord));
      });
    },
    listRuns: () => guarded('list the runs', () => statements.listRuns.all().map(toRun)),
    getRun: (runId) => guarded('read the run', () => optional(statements.getRun.get(runId), toRun)),
    saveEngine: (runId, engine) => write('save the state of the run', () => saveEngine(runId, engine)),

    addContributor(runId, { contributorId, tokenHash, backend }) {
      write('add a contributor', () =>
        statements.insertContributor.run(runId, contributorId, tokenHash, backend),
      );
    },
    getContributor: (runId, contributorId) =>
      guarded('read a contributor', () =>
        optional(statements.getContributor.get(runId, contributorId), toContributor),
      ),
    listContributors: (runId) =>
      guarded('list the contributors', () => statements.listContributors.all(runId).map(toContributor)),
    setBackend(runId, contributorId, backend) {
      write('change a contributor', () =>
        changeOne(statements.setBackend.run(backend, runId, contributorId), `contributor ${contributorId}`),
      );
    },
    setLastRefusal(runId, contributorId, code) {
      write('change a contributor', () =>
        changeOne(statements.setLastRefusal.run(code, runId, contributorId), `contributor ${contributorId}`),
      );
    },

    chargeRounds(runId, contributorId, rounds) {
      write('note charged rounds', () =>
        statements.insertCharges.run(runId, contributorId, JSON.stringify(rounds)),
      );
    },
    chargedRounds: (runId, contributorId) =>
      guarded('list the charged rounds', () =>
        statements.chargedRounds.all(runId, contributorId).map((row) => Number(row['round'])),
      ),
    mostChargedRounds: (runId) =>
      guarded('count the charged rounds', () => Number(statements.mostChargedRounds.get(runId)!['most'])),

    acceptUpdate(runId, round, update, engine) {
      write('store the update', () => {
        statements.insertUpdate.run(
          runId,
          round,
          update.contributorId,
          update.sha256,
          update.receivedAtMs,
          update.bytes,
        );
        statements.insertCharge.run(runId, update.contributorId, round);
        saveEngine(runId, engine);
      });
    },
    getUpdateHash: (runId, round, contributorId) =>
      guarded('look up the update', () =>
        optional(statements.getUpdateHash.get(runId, round, contributorId), (row) => String(row['sha256'])),
      ),
    listUpdates: (runId, round) =>
      guarded('read the updates', () => statements.listUpdates.all(runId, round).map(toUpdate)),

    closeRound(runId, adapter, record, engine) {
      write('store the new adapter', () => {
        statements.insertAdapter.run(runId, adapter.adapterVersion, toBlob(adapter.parameters));
        statements.insertRecord.run(runId, record.round, JSON.stringify(record));
        saveEngine(runId, engine);
      });
    },
    recordEvaluation(runId, round, metrics, engine) {
      write('store the test results', () => {
        const row = statements.getRecord.get(runId, round);
        if (row === undefined) throw missing(`record of round ${round}`);
        if (metrics !== null) {
          statements.updateRecord.run(JSON.stringify({ ...toRecord(row), ...metrics }), runId, round);
        }
        if (engine !== undefined) saveEngine(runId, engine);
      });
    },
    listRecords: (runId) =>
      guarded('read the records', () => statements.listRecords.all(runId).map(toRecord)),
    getAdapter: (runId, adapterVersion) =>
      guarded('read the adapter', () =>
        optional(statements.getAdapter.get(runId, adapterVersion), toAdapter),
      ),
    latestAdapter: (runId) =>
      guarded('read the adapter', () => {
        const row = statements.latestAdapter.get(runId);
        if (row === undefined) throw missing(`run ${runId}`);
        return toAdapter(row);
      }),

    setAdminTokenHash(hash) {
      write('store the admin token', () => statements.setAdminToken.run(hash));
    },
    getAdminTokenHash: () =>
      guarded('read the admin token', () =>
        optional(statements.getAdminToken.get(), (row) => String(row['hash'])),
      ),
    addSession(hash, expiresAtMs, nowMs) {
      write('store the session', () => {
        statements.expireSessions.run(nowMs);
        statements.insertSession.run(hash, expiresAtMs);
      });
    },
    hasSession: (hash, nowMs) =>
      guarded('read the session', () => statements.getSession.get(hash, nowMs) !== undefined),

    close: () => guarded('close the store', () => database.close()),
  };
}

function optional<T>(row: Row | undefined, read: (row: Row) => T): T | undefined {
  return row === undefined ? undefined : read(row);
}

// The casts below are safe: only this file writes these columns, from values of these types.
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

function toContributor(row: Row): StoredContributor {
  return {
    contributorId: String(row['id']),
    tokenHash: String(row['token_hash']),
    backend: row['backend'] as BackendName,
    lastRefusal: row['last_refusal'] as ErrorCode | null,
    rounds: Number(row['rounds']),
    chargedRounds: Number(row['charged_rounds']),
  };
}

function toUpdate(row: Row): StoredUpdate {
  return {
    contributorId: String(row['contributor_id']),
    sha256: String(row['sha256']),
    bytes: row['bytes'] as Uint8Array,
  };
}

function toRecord(row: Row): RoundRecord {
  return JSON.parse(String(row['record'])) as RoundRecord;
}

function toAdapter(row: Row): StoredAdapter {
  return {
    adapterVersion: Number(row['version']),
    // Copied, since the driver's bytes need not start at a multiple of 8. Every platform of Node that we run on is
    // little-endian.
    parameters: new Float64Array(Uint8Array.from(row['parameters'] as Uint8Array).buffer),
  };
}

function toBlob(parameters: Float64Array): Uint8Array {
  return new Uint8Array(parameters.buffer, parameters.byteOffset, parameters.byteLength);
}
