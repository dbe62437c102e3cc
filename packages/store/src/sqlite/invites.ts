import type { Store, StoredInvite } from '../store.ts';
import type { Access, Row } from './access.ts';
import { changeOne, optional } from './access.ts';

export function inviteMethods({
  database,
  read,
  write,
}: Access): Pick<Store, 'addInvite' | 'listInvites' | 'findInvite' | 'withdrawInvite'> {
  const insert = database.prepare(
    `INSERT INTO invites (run_id, id, code_hash, note, created_at_ms, expires_at_ms, uses, used, withdrawn)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const list = database.prepare('SELECT * FROM invites WHERE run_id = ? ORDER BY created_at_ms, rowid');
  const find = database.prepare(
    `SELECT * FROM invites WHERE run_id = ? AND code_hash = ? AND withdrawn = 0 AND used < uses
       AND (expires_at_ms IS NULL OR expires_at_ms > ?)`,
  );
  const withdraw = database.prepare('UPDATE invites SET withdrawn = 1 WHERE run_id = ? AND id = ?');

  return {
    addInvite(runId, invite) {
      write('add the invite', () =>
        insert.run(
          runId,
          invite.inviteId,
          invite.codeHash,
          invite.note,
          invite.createdAt,
          invite.expiresAt,
          invite.uses,
          invite.used,
          invite.withdrawn ? 1 : 0,
        ),
      );
    },
    listInvites: (runId) => read('list the invites', () => list.all(runId).map(toInvite)),
    findInvite: (runId, codeHash, nowMs) =>
      read('look up the invite', () => optional(find.get(runId, codeHash, nowMs), toInvite)),
    withdrawInvite(runId, inviteId) {
      write('withdraw the invite', () => changeOne(withdraw.run(runId, inviteId), `invite ${inviteId}`));
    },
  };
}

function toInvite(row: Row): StoredInvite {
  const expiresAt = row['expires_at_ms'];
  return {
    inviteId: String(row['id']),
    codeHash: String(row['code_hash']),
    note: String(row['note']),
    createdAt: Number(row['created_at_ms']),
    expiresAt: expiresAt === null ? null : Number(expiresAt),
    uses: Number(row['uses']),
    used: Number(row['used']),
    withdrawn: row['withdrawn'] === 1,
  };
}
