import type { PublicRun, RoundRecord } from '@chorale/protocol';
import { fakeEpsilonAfter } from './fakeLimits.ts';

export const FAKE_VARIANTS = [
  'private',
  'strong',
  'contributor',
  'counts',
  'pairs',
  'limited',
  'refusing',
  'unprotected',
  'unsupported',
  'missing',
  'ended',
] as const;
/**
 * `strong`: little epsilon. `contributor`: the other unit. `counts`: a run that asks for local metrics. `pairs`: two texts of each row. `limited`: an
 * epsilon limit that is soon reached. `refusing`: kept limits the plan does not fit. `unprotected`: privacy.unit none.
 */
export type FakeVariant = (typeof FAKE_VARIANTS)[number];

const hash = (digits: string) => digits.repeat(64).slice(0, 64);

/** What the whole plan of the fake run costs. */
export function fakePlannedEpsilon(variant: FakeVariant): number | null {
  return variant === 'unprotected' ? null : variant === 'strong' ? 1 : 6;
}

/** A run as the server would describe it, for working on the page without one. */
export function fakeRun(variant: FakeVariant): PublicRun {
  const plannedEpsilon = fakePlannedEpsilon(variant);
  return {
    run: {
      runId: 'sentiment-fake',
      planHash: hash('4f1c9ab27e03d568'),
      plan: {
        config: {
          name: 'Film reviews',
          purpose:
            'Teach a small language model to tell friendly from unfriendly film reviews, from many people’s own notes.',
          operator: 'The film club of Example Town, Ada Example (ada@example.org)',
          model: 'tiny-encoder',
          task: {
            type: 'sequence-classification',
            labels: ['negative', 'positive'],
            maxTokens: 64,
            pooling: 'mean',
            textPair: variant === 'pairs',
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
            clipping: variant === 'strong' ? 'automatic' : 'flat',
          },
          privacy:
            plannedEpsilon === null
              ? { unit: 'none' }
              : {
                  unit: variant === 'contributor' ? 'contributor' : 'example',
                  targetEpsilon: plannedEpsilon,
                  targetDelta: 1e-5,
                  noise: variant === 'strong' ? 'discrete-gaussian' : 'rounded-gaussian',
                },
          rounds: { count: 12, cohortSize: 3, minimumUpdates: 2, deadlineSeconds: 120, overSelection: 0 },
          aggregation: {
            rule: 'mean',
            normWindow: 'noise-law',
            serverOptimizer: { name: 'sgd', learningRate: 1 },
          },
          transport: { encoding: 'f32' },
          access: 'open',
          evaluation: { file: 'dev.tsv' },
          ...(variant === 'counts' ? { localMetrics: { noiseMultiplier: 10 } } : {}),
        },
        noiseMultiplier: plannedEpsilon === null ? 0 : variant === 'strong' ? 2.4 : 1.1,
        model: {
          name: 'tiny-encoder',
          source: null,
          files: [
            {
              name: 'config.json',
              sizeBytes: 512,
              sha256: hash('a0'),
              pieces: [{ sizeBytes: 512, sha256: hash('a0') }],
            },
          ],
        },
        basisHash: hash('77d2'),
        parameterCount: 12_288,
        tensors: [{ name: 'classifier.weight', count: 12_288 }],
        trainedRanges: [{ start: 0, end: 12_288 }],
      },
    },
    state: {
      runId: 'sentiment-fake',
      status: variant === 'ended' ? 'completed' : 'recruiting',
      reason: variant === 'ended' ? 'All 12 rounds are done.' : 'Waiting for contributors: 1 of 3.',
      round: variant === 'ended' ? 12 : 3,
      roundCount: 12,
      adapterVersion: variant === 'ended' ? 12 : 2,
      cohortSize: 3,
      available: 1,
      cohort: 0,
      received: 0,
      timeLeftMs: null,
    },
    rounds: [0, 1, 2].map((round) => fakeRecord(round, plannedEpsilon)),
  };
}

export function fakeRecord(round: number, plannedEpsilon: number | null): RoundRecord {
  return {
    round,
    attempt: 1,
    cohort: round === 0 ? 0 : 3,
    received: round === 0 ? 0 : 3,
    adapterVersion: round,
    testAccuracy: 0.5 + 0.36 * (1 - Math.exp(-round / 4)) + 0.012 * Math.sin(5 * round),
    testLoss: 0.4 + 0.3 * Math.exp(-round / 4) + 0.008 * Math.sin(4 * round),
    spentEpsilon: fakeEpsilonAfter(plannedEpsilon, round, 12),
    localMetrics: null,
    uplinkBytes: round === 0 ? 0 : 49_232,
    durationMs: 21_000 + 900 * round,
  };
}
