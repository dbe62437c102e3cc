// `node assets/samples/generate.ts` writes the sample files again, byte for byte the same.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSampleFiles, toCsv } from './files.ts';

for (const { name, rows } of createSampleFiles()) {
  writeFileSync(join(import.meta.dirname, name), toCsv(rows));
  console.log(`${name}: ${rows.length} rows`);
}
