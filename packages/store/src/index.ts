export type {
  Store,
  StoredRun,
  EngineRow,
  StoredContributor,
  StoredUpdate,
  StoredAdapter,
  StoredInvite,
  NewAuditEntry,
} from './store.ts';
export { openMemoryStore } from './memoryStore.ts';
export { openSqliteStore } from './sqliteStore.ts';
export { backupDatabase } from './sqlite/backup.ts';
export { AUDIT_START, verifyAuditChain } from './auditChain.ts';
export type { AuditVerdict } from './auditChain.ts';
