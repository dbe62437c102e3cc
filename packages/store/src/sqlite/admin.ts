import type { AuditEntry, AuditedAct } from '@chorale/protocol';
import { chainAuditEntry } from '../auditChain.ts';
import type { Store } from '../store.ts';
import type { Access, Row } from './access.ts';
import { optional } from './access.ts';

export function adminMethods({
  database,
  read,
  write,
}: Access): Pick<
  Store,
  | 'setAdminTokenHash'
  | 'getAdminTokenHash'
  | 'replaceAdminToken'
  | 'isRetiredAdminToken'
  | 'addSession'
  | 'hasSession'
  | 'endSession'
  | 'endAllSessions'
  | 'appendAudit'
  | 'listAudit'
> {
  const setToken = database.prepare(
    'INSERT INTO admin_token (id, hash) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET hash = excluded.hash',
  );
  const getToken = database.prepare('SELECT hash FROM admin_token WHERE id = 1');
  const retireToken = database.prepare(
    'INSERT OR IGNORE INTO retired_admin_tokens (hash) SELECT hash FROM admin_token',
  );
  const getRetired = database.prepare('SELECT 1 FROM retired_admin_tokens WHERE hash = ?');
  const insertSession = database.prepare(
    'INSERT OR REPLACE INTO sessions (hash, expires_at_ms) VALUES (?, ?)',
  );
  const expireSessions = database.prepare('DELETE FROM sessions WHERE expires_at_ms <= ?');
  const getSession = database.prepare('SELECT 1 FROM sessions WHERE hash = ? AND expires_at_ms > ?');
  const endSession = database.prepare('DELETE FROM sessions WHERE hash = ?');
  const endAllSessions = database.prepare('DELETE FROM sessions');
  const insertEntry = database.prepare(
    `INSERT INTO audit (sequence, at_ms, act, actor, address, run_id, detail, previous_hash, hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const lastEntry = database.prepare('SELECT * FROM audit ORDER BY sequence DESC LIMIT 1');
  const listEntries = database.prepare(
    'SELECT * FROM audit WHERE ?1 IS NULL OR sequence < ?1 ORDER BY sequence DESC LIMIT ?2',
  );

  return {
    setAdminTokenHash(hash) {
      write('store the admin token', () => setToken.run(hash));
    },
    getAdminTokenHash: () =>
      read('read the admin token', () => optional(getToken.get(), (row) => String(row['hash']))),
    replaceAdminToken(hash) {
      write('replace the admin token', () => {
        retireToken.run();
        setToken.run(hash);
        endAllSessions.run();
      });
    },
    isRetiredAdminToken: (hash) =>
      read('read the retired admin tokens', () => getRetired.get(hash) !== undefined),
    addSession(hash, expiresAtMs, nowMs) {
      write('store the session', () => {
        expireSessions.run(nowMs);
        insertSession.run(hash, expiresAtMs);
      });
    },
    hasSession: (hash, nowMs) => read('read the session', () => getSession.get(hash, nowMs) !== undefined),
    endSession(hash) {
      write('end the session', () => endSession.run(hash));
    },
    endAllSessions() {
      write('end the sessions', () => endAllSessions.run());
    },

    appendAudit: (entry) =>
      write('write the audit log', () => {
        const chained = chainAuditEntry(optional(lastEntry.get(), toEntry), entry);
        const { sequence, at, act, actor, address, runId, detail, previousHash, hash } = chained;
        insertEntry.run(sequence, at, act, actor, address, runId, detail, previousHash, hash);
        return chained;
      }),
    listAudit: (limit, before) =>
      read('read the audit log', () => listEntries.all(before, limit).map(toEntry)),
  };
}

// The casts are safe: only this file writes these columns, from values of these types.
function toEntry(row: Row): AuditEntry {
  return {
    sequence: Number(row['sequence']),
    at: Number(row['at_ms']),
    act: row['act'] as AuditedAct,
    actor: row['actor'] as string | null,
    address: row['address'] as string | null,
    runId: row['run_id'] as string | null,
    detail: String(row['detail']),
    previousHash: String(row['previous_hash']),
    hash: String(row['hash']),
  };
}
