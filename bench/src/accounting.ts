import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, platform } from 'node:os';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as privacy from '@chorale/privacy';
import { timeInBrowser } from './accounting/inBrowser.ts';
import { sweepAccuracy } from './accounting/sweep.ts';
import { timeAccounting } from './accounting/timings.ts';

/*
 * What the reported epsilon costs, and how tight it is: one evaluation and one calibration in Node and in a tab's
 * worker, the memory of the largest grid, and the slack over the whole range of parameters. Prints one JSON object;
 * --out writes it too.
 *
 *   npm run bench:accounting -- --out bench/results/accounting.json
 */

const { values } = parseArgs({
  options: {
    out: { type: 'string' },
    runs: { type: 'string', default: '15' },
    draws: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    'no-browser': { type: 'boolean', default: false },
  },
});
const runs = Number(values.runs);
const say = (text: string): void => void process.stderr.write(`${text}\n`);

say('timings in Node');
const node = timeAccounting(privacy, runs);
say('memory');
const memory = measureMemory();
say(values['no-browser'] ? 'no browser' : 'timings in a tab');
const browser = values['no-browser'] ? null : await timeInBrowser(runs);
say('accuracy');
const accuracy = sweepAccuracy(Number(values.draws), Number(values.seed), (done) => {
  if (done % 50 === 0) say(`  ${done} of ${values.draws}`);
});

const report = {
  bench: 'accounting',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, platform: platform(), node: process.version },
  node,
  memory,
  browser,
  accuracy: { seed: Number(values.seed), ...accuracy },
};
process.stdout.write(`${JSON.stringify(report)}\n`);
if (values.out) {
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
}

/** In a process of its own: here the timings' garbage would count. */
function measureMemory(): unknown {
  const script = fileURLToPath(new URL('./accounting/memory.ts', import.meta.url));
  return JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' }));
}
