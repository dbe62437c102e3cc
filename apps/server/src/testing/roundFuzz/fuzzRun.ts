import { createHash } from 'node:crypto';
import type { RandomInt, RoundRules } from '@chorale/coordinator';
import { DEFAULT_ROUND_TIMING, roundRules } from '@chorale/coordinator';
import type { Privatized } from '@chorale/privacy';
import type { ResolvedRun } from '@chorale/protocol';
import { bindingOf, encodeUpdate, hashPlan, parseRunConfig } from '@chorale/protocol';
import { seededRandom } from '@chorale/testing';

export const PARAMETERS = 3;

/** The run that all seeds live through: small rounds, over-selection, and updates of three values. */
export async function fuzzRun(): Promise<ResolvedRun> {
  const config = parseRunConfig({
    name: 'Fuzz',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
    privacy: { unit: 'none' },
    rounds: { count: 4, cohortSize: 3, minimumUpdates: 2, deadlineSeconds: 60, overSelection: 0.3 },
  });
  const plan: ResolvedRun['plan'] = {
    config,
    noiseMultiplier: 0,
    model: { name: 'model', source: null, files: [] },
    basisHash: 'a'.repeat(64),
    parameterCount: PARAMETERS,
    tensors: [{ name: 'one', count: PARAMETERS }],
    trainedRanges: [{ start: 0, end: PARAMETERS }],
  };
  return { runId: 'fuzz-00000000', plan, planHash: await hashPlan(plan) };
}

export function fuzzRules(run: ResolvedRun): RoundRules {
  return roundRules(run.plan.config, { ...DEFAULT_ROUND_TIMING, backoffMs: 500, backoffLimitMs: 4_000 });
}

export function randomInts(seed: number): RandomInt {
  const { fill } = seededRandom(seed);
  const word = new Uint8Array(4);
  const view = new DataView(word.buffer);
  return (bound) => {
    fill(word);
    return view.getUint32(0) % bound;
  };
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Values in eighths: their sums are exact in any order. */
export function randomUpdate(run: ResolvedRun, round: number, random: RandomInt): Uint8Array {
  const values = Float32Array.from({ length: PARAMETERS }, () => (random(4001) - 2000) / 8);
  // The one place of the fuzz that says of numbers that they are privatized.
  const update = { values } as unknown as Privatized<Float32Array>;
  return encodeUpdate(update, round, bindingOf(run));
}

/** Of whatever was thrown. */
export function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? String(error);
}
