import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { noiseSource, webCryptoRandom, spentEpsilonAfter, roundEpsilonUp } from '@chorale/privacy';
import type { RunConfig, RunConfigInput } from '@chorale/protocol';
import { parseRunConfig, trainedRangeOf } from '@chorale/protocol';
import type { Compute, ModelFiles } from '@chorale/trainer';
import {
  SequenceClassifier,
  computeClientUpdate,
  describeAdapter,
  evaluatorOn,
  neededModelFiles,
  openCompute,
  parseLabelledRows,
  privacyPlanOf,
  resolveNoiseMultiplier,
} from '@chorale/trainer';

/*
 * How the demo's defaults were chosen: the demo's run, and the same with one thing changed at a time, in one process
 * without a network. Prints one JSON object; --out writes it too.
 *
 *   npm run bench:demo-trial -- --out bench/results/demo-trial.json
 */

type Trial = { run: string; clients: string[]; variants: Record<string, object>[] };

const CONFIG = new URL('../configs/demo-trial.json', import.meta.url);
const SAMPLES = new URL('../../assets/samples/', import.meta.url);
const MODEL = new URL('../../assets/models/tiny-encoder/', import.meta.url);

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const trial = JSON.parse(readFileSync(CONFIG, 'utf8')) as Trial;
const base = JSON.parse(readFileSync(new URL(trial.run, CONFIG), 'utf8')) as RunConfigInput;
const files: ModelFiles = new Map(
  neededModelFiles(readdirSync(MODEL)).map((name) => [
    name,
    new Uint8Array(readFileSync(new URL(name, MODEL))),
  ]),
);
const compute = await openCompute('wasm');
const results = [];
for (const variant of trial.variants) {
  process.stderr.write(`${JSON.stringify(variant)}\n`);
  results.push({ variant, ...(await simulate(compute, parseRunConfig(withVariant(base, variant)))) });
}
const report = {
  bench: 'demo-trial',
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, backend: 'wasm' },
  clients: trial.clients,
  results,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
if (values.out) {
  mkdirSync(dirname(values.out), { recursive: true });
  writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
}

/** Replaces whole settings inside the named sections; `privacy` is replaced as a whole, being a union. */
function withVariant(config: RunConfigInput, variant: Record<string, object>): unknown {
  const changed: Record<string, unknown> = { ...config };
  for (const [section, settings] of Object.entries(variant)) {
    changed[section] = section === 'privacy' ? settings : { ...(changed[section] as object), ...settings };
  }
  return changed;
}

async function simulate(device: Compute, config: RunConfig) {
  const rowsOf = (name: string) =>
    parseLabelledRows(new Uint8Array(readFileSync(new URL(name, SAMPLES))), name, config.task).rows;
  const classifier = new SequenceClassifier(device, files, config);
  const evaluator = evaluatorOn(device, files, config, rowsOf('test.csv'));
  const noiseMultiplier = resolveNoiseMultiplier(config);
  const plan = privacyPlanOf({ config, noiseMultiplier });
  const clients = trial.clients.map((name) =>
    rowsOf(name).map((row) => ({
      sequence: classifier.encode(row.text, row.textPair).sequence,
      label: row.label,
    })),
  );
  const { initialParameters, trainedRanges } = await describeAdapter(files, config);
  let parameters = initialParameters;
  const accuracies = [(await evaluator.evaluate(parameters)).accuracy];
  for (let round = 1; round <= config.rounds.count; round++) {
    const range = trainedRangeOf({ trainedRanges }, round);
    const mean = new Float64Array(parameters.length);
    for (const examples of clients) {
      const update = await computeClientUpdate(parameters, {
        compute: device,
        classifier,
        examples,
        plan,
        range,
        random: webCryptoRandom,
        noise: noiseSource(plan.noise),
      });
      update.values.forEach((value, i) => (mean[range.start + i]! += value / clients.length));
    }
    parameters = parameters.map((value, i) => value + mean[i]!);
    accuracies.push((await evaluator.evaluate(parameters)).accuracy);
  }
  evaluator.dispose();
  classifier.dispose();
  const epsilon = spentEpsilonAfter(plan, config.rounds.count);
  return {
    noiseMultiplier,
    spentEpsilon: Number.isFinite(epsilon) ? roundEpsilonUp(epsilon) : null,
    accuracies: accuracies.map((accuracy) => Number(accuracy.toFixed(4))),
  };
}
