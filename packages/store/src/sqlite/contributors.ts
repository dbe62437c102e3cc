import type { BackendName, ErrorCode } from '@chorale/protocol';
import type { Store, StoredContributor } from '../store.ts';
import { inviteGone, missing } from '../storeErrors.ts';
import type { Access, Row } from './access.ts';
import { changeOne, optional } from './access.ts';

export function contributorMethods({
  database,
  read,
  write,
}: Access): Pick<
  Store,
  | 'addContributor'
  | 'getContributor'
  | 'findContributor'
  | 'listContributors'
  | 'setBackend'
  | 'setLastRefusals'
  | 'chargeRounds'
  | 'chargedRounds'
  | 'mostChargedRounds'
> {
  const insert = database.prepare(
    'INSERT INTO contributors (run_id, id, token_hash, backend) VALUES (?, ?, ?, ?)',
  );
  const takeInvite = database.prepare(
    'UPDATE invites SET used = used + 1 WHERE run_id = ? AND id = ? AND used < uses AND withdrawn = 0',
  );
  const counted = `SELECT *, (SELECT count(*) FROM updates u WHERE u.run_id = c.run_id AND u.contributor_id = c.id) AS rounds,
      (SELECT count(*) FROM charges h WHERE h.run_id = c.run_id AND h.contributor_id = c.id) AS charged_rounds
    FROM contributors c WHERE run_id = ?`;
  const get = database.prepare(`${counted} AND id = ?`);
  const find = database.prepare('SELECT id FROM contributors WHERE run_id = ? AND token_hash = ?');
  const list = database.prepare(`${counted} ORDER BY c.rowid`);
  const exists = database.prepare('SELECT 1 FROM contributors WHERE run_id = ? AND id = ?');
  const setBackend = database.prepare('UPDATE contributors SET backend = ? WHERE run_id = ? AND id = ?');
  const setLastRefusal = database.prepare(
    'UPDATE contributors SET last_refusal = ? WHERE run_id = ? AND id = ?',
  );
  // One statement for all of them: a tab may bring a hundred thousand. `WHERE true` tells ON CONFLICT from a join's ON
  const insertCharges = database.prepare(
    `INSERT INTO charges (run_id, contributor_id, round) SELECT ?, ?, value FROM json_each(?) WHERE true
     ON CONFLICT DO NOTHING`,
  );
  const chargedRounds = database.prepare(
    'SELECT round FROM charges WHERE run_id = ? AND contributor_id = ? ORDER BY round',
  );
  // Counting along the key of each contributor takes two thirds of the time of a GROUP BY over all charges
  const mostChargedRounds = database.prepare(
    `SELECT coalesce(max((SELECT count(*) FROM charges h WHERE h.run_id = c.run_id AND h.contributor_id = c.id)), 0)
       AS most
     FROM contributors c WHERE run_id = ?`,
  );

  return {
    addContributor(runId, { contributorId, tokenHash, backend }, inviteId) {
      write('add a contributor', () => {
        insert.run(runId, contributorId, tokenHash, backend);
        if (inviteId !== undefined && takeInvite.run(runId, inviteId).changes !== 1) throw inviteGone();
      });
    },
    getContributor: (runId, contributorId) =>
      read('read a contributor', () => optional(get.get(runId, contributorId), toContributor)),
    findContributor: (runId, tokenHash) =>
      read('find a contributor', () => optional(find.get(runId, tokenHash), (row) => String(row['id']))),
    listContributors: (runId) => read('list the contributors', () => list.all(runId).map(toContributor)),
    setBackend(runId, contributorId, backend) {
      write('change a contributor', () =>
        changeOne(setBackend.run(backend, runId, contributorId), `contributor ${contributorId}`),
      );
    },
    setLastRefusals(runId, codes) {
      write('note refusals', () => {
        for (const [contributorId, code] of codes) {
          changeOne(setLastRefusal.run(code, runId, contributorId), `contributor ${contributorId}`);
        }
      });
    },

    chargeRounds: (runId, charges) =>
      write('note charged rounds', () => {
        let added = 0;
        for (const [contributorId, rounds] of charges) {
          if (exists.get(runId, contributorId) === undefined) throw missing(`contributor ${contributorId}`);
          added += Number(insertCharges.run(runId, contributorId, JSON.stringify(rounds)).changes);
        }
        return added;
      }),
    chargedRounds: (runId, contributorId) =>
      read('list the charged rounds', () =>
        chargedRounds.all(runId, contributorId).map((row) => Number(row['round'])),
      ),
    mostChargedRounds: (runId) =>
      read('count the charged rounds', () => Number(mostChargedRounds.get(runId)!['most'])),
  };
}

// The casts are safe: only this file writes these columns, from values of these types.
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
