import type { PrivacyUnit } from '@chorale/privacy';
import type { RoundRecord, RunConfig, RunDetail, RunStatus } from '@chorale/protocol';

const PLANNED_EPSILON = 6;
const ROUND_COUNT = 12;
const createdAt = Date.now() - 4_000_000;

export type FakeOptions = {
  runId: string;
  name: string;
  status: RunStatus;
  /** Rounds that are finished. */
  done: number;
  unit?: PrivacyUnit;
  /** The run asks tabs for noisy counts on their own rows. */
  counts?: boolean;
  access?: RunConfig['access'];
};

/** One invented run as the server would send it. */
export function fakeDetail({
  runId,
  name,
  status,
  done,
  unit = 'example',
  counts = false,
  access = 'open',
}: FakeOptions): RunDetail {
  const isPrivate = unit !== 'none';
  const epsilonAfter = (round: number) =>
    isPrivate ? PLANNED_EPSILON * Math.sqrt(round / ROUND_COUNT) : null;
  const training = status === 'training';
  const ids = ['k3m9q7zt1a', 'p0f4w2hh8c', 'x7c5n1dd3e', 'b2r8y6vv4g', 'm5t0j9ss7k'];
  return {
    run: {
      runId,
      planHash: '9c41d07e5ab8f236'.repeat(4),
      plan: {
        config: {
          name,
          purpose: 'Teach a small language model to tell friendly from unfriendly film reviews.',
          operator: 'The film club of Example Town',
          model: 'tiny-encoder',
          task: {
            type: 'sequence-classification',
            labels: ['negative', 'positive'],
            maxTokens: 64,
            pooling: 'mean',
            textPair: false,
          },
          adapter: {
            strategy: 'ffa-lora',
            rank: 8,
            alpha: 8,
            targetModules: ['query', 'value'],
            basis: 'orthonormal',
            head: 'trained',
            seed: 1,
          },
          training: {
            localSteps: 10,
            learningRate: 0.5,
            samplingRate: 0.05,
            expectedBatchSize: 32,
            clippingNorm: 2,
            clipping: 'flat',
          },
          privacy: isPrivate
            ? { unit, targetEpsilon: PLANNED_EPSILON, targetDelta: 1e-5, noise: 'rounded-gaussian' }
            : { unit },
          rounds: {
            count: ROUND_COUNT,
            cohortSize: 4,
            minimumUpdates: 2,
            deadlineSeconds: 120,
            overSelection: 0,
          },
          aggregation: {
            rule: 'mean',
            normWindow: 'noise-law',
            serverOptimizer: { name: 'sgd', learningRate: 1 },
          },
          transport: { encoding: 'f32' },
          access,
          evaluation: { file: 'dev.tsv' },
          ...(counts ? { localMetrics: { noiseMultiplier: 10 } } : {}),
        },
        noiseMultiplier: isPrivate ? 1.1 : 0,
        model: {
          name: 'tiny-encoder',
          source: null,
          files: [
            {
              name: 'config.json',
              sizeBytes: 512,
              sha256: 'a0'.repeat(32),
              pieces: [{ sizeBytes: 512, sha256: 'a0'.repeat(32) }],
            },
          ],
        },
        basisHash: '77d2'.repeat(16),
        parameterCount: 12_288,
        tensors: [{ name: 'classifier.weight', count: 12_288 }],
        trainedRanges: [{ start: 0, end: 12_288 }],
      },
    },
    state: {
      runId,
      status,
      reason:
        status === 'completed'
          ? `All ${ROUND_COUNT} rounds are done.`
          : training
            ? 'The cohort is training: 1 of 4 updates are in.'
            : status === 'evaluating'
              ? `Measuring adapter version ${done} on the test file.`
              : 'Waiting for contributors: 0 of 4.',
      round: Math.min(done + 1, ROUND_COUNT),
      roundCount: ROUND_COUNT,
      adapterVersion: done,
      cohortSize: 4,
      available: training ? 4 : 0,
      cohort: training ? 4 : 0,
      received: training ? 1 : 0,
      timeLeftMs: training ? 84_000 : null,
    },
    rounds: Array.from({ length: done + 1 }, (_, round) => ({
      round,
      attempt: round === 3 ? 2 : 1,
      cohort: round === 0 ? 0 : 4,
      received: round === 0 ? 0 : round === 5 ? 3 : 4,
      adapterVersion: round,
      testAccuracy: 0.5 + 0.36 * (1 - Math.exp(-round / 4)) + 0.012 * Math.sin(5 * round),
      testLoss: 0.4 + 0.3 * Math.exp(-round / 4) + 0.008 * Math.sin(4 * round),
      spentEpsilon: epsilonAfter(round),
      localMetrics: counts && round > 0 ? fakeCounts(round) : null,
      uplinkBytes: round === 0 ? 0 : 49_232,
      durationMs: round === 0 ? 900 : 21_000 + 900 * round,
    })),
    members: training
      ? ids.slice(0, 4).map((contributorId, index) => ({
          contributorId,
          state: (['received', 'training', 'training', 'disconnected'] as const)[index] ?? 'training',
          backend: index % 2 === 0 ? 'wasm' : 'webgpu',
        }))
      : [],
    contributors:
      done === 0
        ? []
        : ids.map((contributorId, index) => ({
            contributorId,
            online: index !== 3,
            availability:
              (['available', 'available', 'limit-reached', 'available', 'paused'] as const)[index] ??
              'available',
            backend: index % 2 === 0 ? 'wasm' : 'webgpu',
            rounds: Math.max(0, done - index),
            // One update of the third came too late: charged, not stored.
            chargedRounds: Math.max(0, done - index) + (index === 2 ? 1 : 0),
            spentEpsilon: epsilonAfter(Math.max(0, done - index) + (index === 2 ? 1 : 0)),
            lastRefusal: index === 2 ? 'UPDATE_WRONG_ROUND' : null,
          })),
    createdAt: createdAt + 1000 * done,
    plannedEpsilon: isPrivate ? PLANNED_EPSILON : null,
    accountingNote: null,
  };
}

/** Four tabs with about 200 rows each; the sum of their noise has twice the deviation of one. */
function fakeCounts(round: number): RoundRecord['localMetrics'] {
  const rows = 812 + 17 * Math.sin(9 * round);
  const share = 0.5 + 0.3 * (1 - Math.exp(-(round - 1) / 4)) + 0.02 * Math.sin(7 * round);
  return { correct: rows * share, rows, noiseStdDev: 2 * 10 * Math.SQRT2 };
}
