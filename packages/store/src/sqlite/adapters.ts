import type { RoundRecord } from '@chorale/protocol';
import type { Store, StoredAdapter } from '../store.ts';
import { missing } from '../storeErrors.ts';
import type { Access, Row } from './access.ts';
import { optional } from './access.ts';
import { fromBlob, toBlob } from './blobs.ts';

export function adapterMethods({
  database,
  read,
  write,
  saveEngine,
}: Access): Pick<
  Store,
  'closeRound' | 'recordEvaluation' | 'recordEpsilon' | 'listRecords' | 'getAdapter' | 'latestAdapter'
> {
  const insertAdapter = database.prepare(
    'INSERT INTO adapters (run_id, version, parameters, optimizer_state) VALUES (?, ?, ?, ?)',
  );
  const getAdapter = database.prepare('SELECT * FROM adapters WHERE run_id = ? AND version = ?');
  const latestAdapter = database.prepare(
    'SELECT * FROM adapters WHERE run_id = ? ORDER BY version DESC LIMIT 1',
  );
  const insertRecord = database.prepare('INSERT INTO records (run_id, round, record) VALUES (?, ?, ?)');
  const getRecord = database.prepare('SELECT record FROM records WHERE run_id = ? AND round = ?');
  const updateRecord = database.prepare('UPDATE records SET record = ? WHERE run_id = ? AND round = ?');
  const listRecords = database.prepare('SELECT record FROM records WHERE run_id = ? ORDER BY round');
  // The rows stay: an update that comes twice is known by its hash
  const dropBytes = database.prepare(
    'DELETE FROM update_bytes WHERE update_id IN (SELECT id FROM updates WHERE run_id = ? AND round = ?)',
  );

  return {
    closeRound(runId, { adapterVersion, parameters, optimizerState }, record, engine, keepUpdates) {
      write('store the new adapter', () => {
        insertAdapter.run(
          runId,
          adapterVersion,
          toBlob(parameters),
          optimizerState && toBlob(optimizerState),
        );
        insertRecord.run(runId, record.round, JSON.stringify(record));
        if (!keepUpdates) dropBytes.run(runId, record.round);
        saveEngine(runId, engine);
      });
    },
    recordEvaluation(runId, round, metrics, engine) {
      write('store the test results', () => {
        const row = getRecord.get(runId, round);
        if (row === undefined) throw missing(`record of round ${round}`);
        if (metrics !== null) {
          updateRecord.run(JSON.stringify({ ...toRecord(row), ...metrics }), runId, round);
        }
        if (engine !== undefined) saveEngine(runId, engine);
      });
    },
    recordEpsilon(runId, round, spentEpsilon) {
      write('store what a round cost', () => {
        const row = getRecord.get(runId, round);
        if (row === undefined) throw missing(`record of round ${round}`);
        updateRecord.run(JSON.stringify({ ...toRecord(row), spentEpsilon }), runId, round);
      });
    },
    listRecords: (runId) => read('read the records', () => listRecords.all(runId).map(toRecord)),
    getAdapter: (runId, adapterVersion) =>
      read('read the adapter', () => optional(getAdapter.get(runId, adapterVersion), toAdapter)),
    latestAdapter: (runId) =>
      read('read the adapter', () => {
        const row = latestAdapter.get(runId);
        if (row === undefined) throw missing(`run ${runId}`);
        return toAdapter(row);
      }),
  };
}

// The casts are safe: only this file writes these columns, from values of these types.
function toRecord(row: Row): RoundRecord {
  return JSON.parse(String(row['record'])) as RoundRecord;
}

function toAdapter(row: Row): StoredAdapter {
  const optimizerState = row['optimizer_state'] as Uint8Array | null;
  return {
    adapterVersion: Number(row['version']),
    parameters: fromBlob(row['parameters'] as Uint8Array),
    optimizerState: optimizerState && fromBlob(optimizerState),
  };
}
