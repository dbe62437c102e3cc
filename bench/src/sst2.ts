import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine } from '@chorale/simulation';
import type { Cell, Sst2Config } from './sst2Grid.ts';
import { cellNames, runCell } from './sst2Grid.ts';
import type { Sst2Report } from './sst2Table.ts';
import { sst2Markdown } from './sst2Table.ts';

/*
 * How strategies do on SST-2, with and without privacy, on even and on skewed clients: `chorale simulate` over the grid of
 * bench/configs/sst2.json. Goes on where an earlier start was stopped; the result is written after every cell.
 *
 *   npm run bench:sst2 -- [--out bench/results/sst2.json] [--work .data/bench-sst2] [--strategies ffa-lora,lora] [--table]
 *
 * --table measures nothing and writes the page anew from the JSON that is there.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const config = JSON.parse(
  readFileSync(new URL('../configs/sst2.json', import.meta.url), 'utf8'),
) as Sst2Config;

const { values } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'bench/results/sst2.json') },
    work: { type: 'string', default: join(ROOT, '.data/bench-sst2') },
    table: { type: 'boolean', default: false },
    strategies: { type: 'string', default: config.grid.strategies.join(',') },
  },
});
const say = (text: string): void => void process.stderr.write(`${new Date().toISOString()} ${text}\n`);
const data = resolve(ROOT, config.data);
const missing = Object.values(config.files).filter((name) => !existsSync(join(data, name)));
if (values.table) {
  writeTable(JSON.parse(readFileSync(resolve(values.out), 'utf8')) as Sst2Report);
} else if (missing.length > 0) {
  say(
    `SKIPPED, nothing was measured: expected ${missing.join(', ')} in ${config.data}, beside the repository`,
  );
} else {
  const strategies = values.strategies.split(',');
  const names = cellNames(config).filter(({ strategy }) => strategies.includes(strategy));
  const { cpu, cores, node } = machine();
  const cells: Cell[] = [];
  for (const name of names) {
    cells.push(await runCell(name, { config, data, work: resolve(values.work), say }));
    write({
      bench: 'sst2',
      complete: cells.length === cellNames(config).length,
      machine: { cpu, cores, node, backend: 'wasm' },
      config,
      cells,
    });
  }
}

function write(report: Sst2Report): void {
  const out = resolve(values.out);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
  writeTable(report);
}

function writeTable(report: Sst2Report): void {
  writeFileSync(resolve(values.out).replace(/\.json$/, '.md'), sst2Markdown(report));
}
