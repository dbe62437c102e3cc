import type { PublicRun, RunConfigInput } from '@chorale/protocol';
import { publicRunSchema } from '@chorale/protocol';

/** A run small enough for WebGPU on a software adapter: short texts, few examples, few steps. */
export const SMALL_RUN: RunConfigInput = {
  name: 'small',
  task: { type: 'sequence-classification', labels: ['health', 'money'], maxTokens: 16 },
  adapter: { rank: 2, alpha: 2, head: 'trained' },
  training: { localSteps: 1, learningRate: 0.5, samplingRate: 0.25, expectedBatchSize: 4, clippingNorm: 1 },
  privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
  rounds: { count: 3, cohortSize: 3, minimumUpdates: 3, deadlineSeconds: 120 },
};

const HEALTH = [
  'the doctor came about the fever',
  'my nurse brought the medicine',
  'a cough and a bad headache',
];
const MONEY = ['the bank sent the bill', 'we paid the rent and the tax', 'my wages went into a loan'];

/** A CSV of `count` short rows, half of each label. */
export function csvRows(count: number, mark = ''): string {
  const rows = Array.from({ length: count }, (_, i) => {
    const [texts, label] = i % 2 === 0 ? [HEALTH, 'health'] : [MONEY, 'money'];
    return `${texts[(i >> 1) % texts.length]!}${mark && ` ${mark}`} ${i},${label}`;
  });
  return ['text,label', ...rows, ''].join('\n');
}

export async function fetchRun(contributeUrl: string): Promise<PublicRun> {
  const response = await fetch(new URL('/api/runs/current', contributeUrl));
  return publicRunSchema.parse(await response.json());
}

/** Waits until the run fits; fails with the last state it saw. */
export async function untilRun(
  contributeUrl: string,
  fits: (run: PublicRun) => boolean,
  timeoutMs = 180_000,
): Promise<PublicRun> {
  const deadline = Date.now() + timeoutMs;
  let last = '';
  while (Date.now() < deadline) {
    const run = await fetchRun(contributeUrl).catch(() => null);
    if (run && fits(run)) return run;
    if (run) last = JSON.stringify(run.state);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`The run did not get there in ${timeoutMs / 1000} s. Last seen: ${last}`);
}
