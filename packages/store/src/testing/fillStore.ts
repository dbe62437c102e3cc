import { ChoraleError } from '@chorale/protocol';
import { openSqliteStore } from '../sqliteStore.ts';
import { engine, record, storedRun, update } from './storeRows.ts';

// A program for tests: `node fillStore.ts FILE COUNT` stores so many updates of 50,000 bytes, one after the other, tells
// how many were acknowledged and what refused the next one, and dies without closing anything.

const [path, count] = process.argv.slice(2);
const store = openSqliteStore(path!);
store.createRun(storedRun('run-1'), Float64Array.of(1, 2, 3), record(0));
store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
let accepted = 0;
let refusal: { code: string; message: string } | null = null;
while (accepted < Number(count) && refusal === null) {
  const round = accepted + 1;
  try {
    store.acceptUpdates(
      'run-1',
      [update(round, 'alice000', new Uint8Array(50_000).fill(round))],
      engine(round),
    );
    accepted += 1;
  } catch (error) {
    if (!(error instanceof ChoraleError)) throw error;
    refusal = { code: error.code, message: error.message };
  }
}
process.stdout.write(JSON.stringify({ accepted, refusal }), () => process.kill(process.pid, 'SIGKILL'));
