import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { openCompute } from './index.ts';
import { MODEL_FILE_NAMES } from '../../model/src/index.ts';
import { mechanismOf } from '../../privacy/src/index.ts';
import { randomValues } from '@chorale/testing/randomValues';
import { sumGradients } from '../../trainer/src/clientUpdate.ts';
import { SequenceClassifier } from '../../trainer/src/sequenceClassifier.ts';
import { planOf } from '../../trainer/src/testing/randomTraining.ts';
import { tinyRun } from '../../trainer/src/testing/tinyRun.ts';
const files = new Map(MODEL_FILE_NAMES.map((n) => [n, new Uint8Array(readFileSync('assets/models/tiny-encoder/' + n))]));
const compute = await openCompute('wasm');
for (const rank of [8, 32]) {
const config = tinyRun({ task: { type: 'sequence-classification', labels: ['a', 'b'], maxTokens: 64, pooling: 'mean' }, adapter: { rank, alpha: 8, targetModules: ['query', 'value'] } });
const classifier = new SequenceClassifier(compute, files, config);
const parameters = randomValues(classifier.layout.parameterCount, 1, 0.05);
const lengths = Array.from({ length: 32 }, (_, i) => 6 + Math.floor((i * i * 58) / 1024));
const batch = lengths.map((l, i) => ({ sequence: Uint32Array.from({ length: l }, (_, j) => 5 + ((i * 31 + j * 17) % 900)), label: i % 2 }));
const mechanism = mechanismOf(planOf({ clippingNorm: 0.5 }));
const { ops } = compute;
async function old() {
  const sum = new Float32Array(parameters.length);
  const ordered = batch.toSorted((a, b) => a.sequence.length - b.sequence.length);
  for (let s = 0; s < ordered.length; s += 16) {
    const part = ordered.slice(s, s + 16);
    const { gradients, losses } = classifier.exampleGradients(parameters, part, 16);
    const sq = ops.scope(() => tf.sum(tf.square(gradients), 1));
    const norms = await ops.read(sq);
    ops.dispose([losses, sq]);
    const factors = norms.map((n) => Math.min(1, 0.5 / Math.sqrt(n)));
    const p = ops.scope(() => ops.weightedSum(gradients, factors));
    const v = await ops.read(p);
    ops.dispose([gradients, p]);
    for (let i = 0; i < sum.length; i++) sum[i]! += v[i]!;
  }
}
const fresh = () => sumGradients(parameters, batch, mechanism, { compute, classifier });
const t = async (f: () => Promise<unknown>) => { const a = []; for (let i = 0; i < 12; i++) { const s = process.cpuUsage(); await f(); const d = process.cpuUsage(s); a.push((d.user + d.system) / 1000); } return a.sort((x, y) => x - y)[2]!.toFixed(1); };
await old(); await fresh();
console.log('P', parameters.length, 'old', await t(old), 'ms; grid', await t(fresh), 'ms; old', await t(old), 'grid', await t(fresh));
const { gradients, losses } = classifier.exampleGradients(parameters, batch.slice(0, 16).map((b) => ({ ...b, sequence: b.sequence.slice(0, 16) })), 16);
const f = new Float32Array(16).fill(1000);
const op = (body: () => tf.Tensor) => t(async () => { const r = ops.scope(body); await ops.read(r); ops.dispose(r); });
console.log('ops [16,P]: squaredNorms old', await op(() => tf.sum(tf.square(gradients), 1)), 'new', await op(() => ops.squaredNorms(gradients)), 'weightedSum', await op(() => ops.weightedSum(gradients, f)), 'truncatedSum', await op(() => ops.truncatedSum(gradients, f)));
ops.dispose([gradients, losses]);
const buckets = [16, 32, 64].map((b) => lengths.filter((l) => (l <= 16 ? 16 : l <= 32 ? 32 : 64) === b).length); console.log(buckets.join());
classifier.dispose();
}
