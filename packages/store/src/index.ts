export type { Store, StoredRun, EngineRow, StoredContributor, StoredUpdate, StoredAdapter } from './store.ts';
export { openMemoryStore } from './memoryStore.ts';
export { openSqliteStore } from './sqliteStore.ts';
