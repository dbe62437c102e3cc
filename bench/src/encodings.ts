import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { noiseSource, webCryptoRandom } from '@chorale/privacy';
import type { Binding, RunConfigInput } from '@chorale/protocol';
import { decodeUpdate, encodeUpdate, parseRunConfig } from '@chorale/protocol';
import type { SimulationInputs, SimulationSummary } from '@chorale/simulation';
import { machine, readSimulationInputs, runSimulation, spreadOf } from '@chorale/simulation';
import {
  SequenceClassifier,
  computeClientUpdate,
  describeAdapter,
  openCompute,
  privacyPlanOf,
} from '@chorale/trainer';
import type { EncodingResult, EncodingsReport } from './encodingsTable.ts';
import { encodingsMarkdown } from './encodingsTable.ts';

/*
 * What f16 and int8 cost in accuracy, and what they save in bytes: `chorale simulate` of the demo's run with each encoding on
 * the same seeds, and the error that each adds to a real update. Goes on where an earlier start was stopped.
 *
 *   npm run bench:encodings -- [--out bench/results/encodings.json] [--work .data/bench-encodings] [--table]
 *
 * --table measures nothing and writes the page anew from the JSON that is there.
 */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SAMPLES = join(ROOT, 'assets/samples');
const CLIENT_FILES = ['contributor-1.csv', 'contributor-2.csv', 'contributor-3.csv'];
const ENCODINGS = ['f32', 'f16', 'int8'] as const;
const SEEDS = [1, 2, 3];
const ENCODED_TIMES = 200;

type Encoding = (typeof ENCODINGS)[number];

const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: join(ROOT, 'bench/results/encodings.json') },
    work: { type: 'string', default: join(ROOT, '.data/bench-encodings') },
    table: { type: 'boolean', default: false },
  },
});
const out = resolve(options.out);
if (options.table) {
  writeTable(JSON.parse(readFileSync(out, 'utf8')) as EncodingsReport);
} else {
  const report = await measure();
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  writeTable(report);
}

async function measure(): Promise<EncodingsReport> {
  const results: EncodingResult[] = [];
  const summaries = new Map<Encoding, SimulationSummary>();
  for (const encoding of ENCODINGS) {
    const inputs = simulationOf(encoding);
    const { summary } = await runSimulation({
      inputs,
      directory: join(placeOf(encoding), 'out'),
      seeds: SEEDS,
      backend: 'wasm',
      workers: 1,
      command: 'npm run bench:encodings',
      onProgress: ({ seed, record }) => {
        if (record !== null) say(`${encoding}, seed ${seed}, round ${record.round}: ${record.testAccuracy}`);
      },
    });
    summaries.set(encoding, summary);
    results.push({
      encoding,
      updateBytes: summary.seeds[0]!.uplinkBytesPerClient,
      testAccuracy: summary.testAccuracy!,
      perSeed: summary.seeds.map(({ seed, testAccuracy, testLoss, epsilon }) => ({
        seed,
        testAccuracy: testAccuracy!,
        testLoss: testLoss!,
        epsilon: epsilon!,
      })),
      againstF32: encoding === 'f32' ? null : against(summaries.get('f32')!, summary),
      ...(await errorOf(encoding, inputs, summary.noiseMultiplier)),
      seconds: Math.round(summary.seeds.reduce((sum, { seconds }) => sum + seconds, 0)),
    });
  }
  const { run, rows, noiseMultiplier } = summaries.get('f32')!;
  const { cpu, cores, node } = machine();
  return {
    bench: 'encodings',
    machine: { cpu, cores, node, backend: 'wasm' },
    run,
    seeds: SEEDS,
    testRows: rows.test!,
    noiseMultiplier,
    results,
  };
}

function placeOf(encoding: Encoding): string {
  return resolve(options.work, encoding);
}

/** The demo's run, its clients' rows in one file. */
function simulationOf(encoding: Encoding): SimulationInputs {
  const place = placeOf(encoding);
  mkdirSync(place, { recursive: true });
  const texts = CLIENT_FILES.map((name) => readFileSync(join(SAMPLES, name), 'utf8').trimEnd().split('\n'));
  const rows = texts.flatMap((lines) => lines.slice(1));
  writeFileSync(join(place, 'train.csv'), `${[texts[0]![0], ...rows].join('\n')}\n`);
  const demo = JSON.parse(readFileSync(join(ROOT, 'assets/runs/demo.json'), 'utf8')) as RunConfigInput;
  const config = {
    ...demo,
    transport: { encoding },
    // From that place: what a simulation follows from must not name this machine's folders
    evaluation: { file: relative(place, join(SAMPLES, 'test.csv')) },
    simulation: {
      clients: CLIENT_FILES.length,
      train: 'train.csv',
      split: { kind: 'iid' },
      evaluateEvery: demo.rounds.count,
      adapterSeed: 'simulation',
    },
  };
  const path = join(place, 'run.json');
  writeFileSync(path, `${JSON.stringify(config, null, 2)}\n`);
  return readSimulationInputs(path);
}

/** Seed by seed: what the seeds have in common drops out. */
function against(f32: SimulationSummary, other: SimulationSummary): EncodingResult['againstF32'] {
  return spreadOf(other.seeds.map(({ testAccuracy }, i) => testAccuracy! - f32.seeds[i]!.testAccuracy!));
}

/**
 * What an encoding does to the first client's update of the first round.
 * The noise in an update of n values: `localSteps` draws of standard deviation noiseMultiplier · clippingNorm /
 * expectedBatchSize, each times the learning rate, in every value.
 */
async function errorOf(
  encoding: Encoding,
  { run, files, trainRows }: SimulationInputs,
  noiseMultiplier: number,
): Promise<Pick<EncodingResult, 'errorOverNoise' | 'errorOverUpdate'>> {
  const config = parseRunConfig(run);
  const { initialParameters, ...facts } = await describeAdapter(files, config);
  const hash = '00'.repeat(32); // nothing is bound
  const binding: Binding = { ...facts, encoding, planHash: hash };
  const compute = await openCompute('wasm');
  const classifier = new SequenceClassifier(compute, files, config);
  const plan = privacyPlanOf({ config, noiseMultiplier });
  const examples = trainRows
    .slice(0, trainRows.length / CLIENT_FILES.length)
    .map(({ text, textPair, label }) => ({
      sequence: classifier.encode(text, textPair).sequence,
      label,
    }));
  const update = await computeClientUpdate(initialParameters, {
    compute,
    classifier,
    examples,
    plan,
    range: facts.trainedRanges[0]!,
    random: webCryptoRandom,
    noise: noiseSource(plan.noise),
  });
  classifier.dispose();
  compute.dispose();
  let squares = 0;
  for (let i = 0; i < ENCODED_TIMES; i++) {
    const { values } = decodeUpdate(encodeUpdate(update, 1, binding), binding);
    values.forEach((value, k) => (squares += (value - update.values[k]!) ** 2));
  }
  const error = Math.sqrt(squares / ENCODED_TIMES);
  const { localSteps, learningRate, clippingNorm, expectedBatchSize } = config.training;
  const noise =
    ((learningRate * noiseMultiplier * clippingNorm) / expectedBatchSize) *
    Math.sqrt(localSteps * update.values.length);
  return { errorOverNoise: error / noise, errorOverUpdate: error / Math.hypot(...update.values) };
}

function writeTable(report: EncodingsReport): void {
  const page = encodingsMarkdown(report);
  writeFileSync(out.replace(/\.json$/, '.md'), page);
  process.stderr.write(page);
}

function say(text: string): void {
  process.stderr.write(`${new Date().toISOString()} ${text}\n`);
}
