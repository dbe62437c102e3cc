import { createHash } from 'node:crypto';
import type { Store, StoredUpdate } from '../store.ts';
import type { Access, Row } from './access.ts';
import { optional } from './access.ts';
import { damagedStore } from './errors.ts';

export function updateMethods({
  database,
  file,
  read,
  write,
  saveEngine,
}: Access): Pick<Store, 'acceptUpdates' | 'getUpdateHash' | 'receivedContributors' | 'eachUpdate'> {
  const insert = database.prepare(
    'INSERT INTO updates (run_id, round, contributor_id, sha256, received_at_ms) VALUES (?, ?, ?, ?, ?)',
  );
  const insertBytes = database.prepare('INSERT INTO update_bytes (update_id, bytes) VALUES (?, ?)');
  const charge = database.prepare(
    'INSERT INTO charges (run_id, contributor_id, round) VALUES (?, ?, ?) ON CONFLICT DO NOTHING',
  );
  const getHash = database.prepare(
    'SELECT sha256 FROM updates WHERE run_id = ? AND round = ? AND contributor_id = ?',
  );
  const received = database.prepare(
    'SELECT contributor_id FROM updates WHERE run_id = ? AND round = ? ORDER BY contributor_id',
  );

  // One row a statement: an iteration that takes its time neither holds the log back nor minds what is written
  const nextUpdate = database.prepare(
    `SELECT contributor_id, sha256, bytes FROM updates JOIN update_bytes ON update_id = id
     WHERE run_id = ? AND round = ? AND contributor_id > ? ORDER BY contributor_id LIMIT 1`,
  );

  function* updatesOf(runId: string, round: number): Generator<StoredUpdate> {
    let last = '';
    for (;;) {
      const update = read('read the updates', () => optional(nextUpdate.get(runId, round, last), toUpdate));
      if (update === undefined) return;
      yield checked(update, round, file);
      last = update.contributorId;
    }
  }

  return {
    acceptUpdates(runId, updates, engine) {
      write('store the update', () => {
        for (const { round, contributorId, sha256, receivedAtMs, bytes } of updates) {
          const { lastInsertRowid } = insert.run(runId, round, contributorId, sha256, receivedAtMs);
          insertBytes.run(lastInsertRowid, bytes);
          charge.run(runId, contributorId, round);
        }
        if (engine !== null) saveEngine(runId, engine);
      });
    },
    getUpdateHash: (runId, round, contributorId) =>
      read('look up the update', () =>
        optional(getHash.get(runId, round, contributorId), (row) => String(row['sha256'])),
      ),
    receivedContributors: (runId, round) =>
      read('list the updates', () => received.all(runId, round).map((row) => String(row['contributor_id']))),
    eachUpdate(runId, round) {
      read('read the updates', () => getHash.get(runId, round, '')); // a closed store refuses here, not at the first row
      return { [Symbol.iterator]: () => updatesOf(runId, round) };
    },
  };
}

/** SQLite's own checks see damaged pages, and no changed bit within a value. */
function checked(update: StoredUpdate, round: number, file: string): StoredUpdate {
  if (createHash('sha256').update(update.bytes).digest('hex') === update.sha256) return update;
  throw damagedStore(
    file,
    `the update of ${update.contributorId} for round ${round} is not the one that was stored`,
  );
}

function toUpdate(row: Row): StoredUpdate {
  return {
    contributorId: String(row['contributor_id']),
    sha256: String(row['sha256']),
    bytes: row['bytes'] as Uint8Array,
  };
}
