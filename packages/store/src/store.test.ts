import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { openMemoryStore } from './memoryStore.ts';
import { openSqliteStore } from './sqliteStore.ts';
import { describeStore } from './testing/storeConformance.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-store-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describeStore('memory', openMemoryStore);
describeStore('sqlite', () => openSqliteStore(join(directory, 'test.sqlite')));
