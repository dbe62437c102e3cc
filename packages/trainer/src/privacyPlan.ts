import type { PrivacyPlan } from '@chorale/privacy';
import { eventOfRounds, noiseMultiplierFor } from '@chorale/privacy';
import type { RunConfig, RunPlan } from '@chorale/protocol';

/**
 * The noise multiplier a config asks for: the one it names, or the smallest that keeps everything that all rounds release
 * within its target epsilon. 0 for privacy.unit none.
 */
export function resolveNoiseMultiplier(config: RunConfig): number {
  const { privacy, rounds } = config;
  if (privacy.unit === 'none') return 0;
  if (privacy.noiseMultiplier !== undefined) return privacy.noiseMultiplier;
  return noiseMultiplierFor(
    (noiseMultiplier) => eventOfRounds(privacyPlanOf({ config, noiseMultiplier }), rounds.count),
    privacy.targetEpsilon!,
    privacy.targetDelta,
  );
}

/** The mechanism of one round, as `packages/privacy` runs and accounts it. */
export function privacyPlanOf({
  config,
  noiseMultiplier,
}: Pick<RunPlan, 'config' | 'noiseMultiplier'>): PrivacyPlan {
  const { training, privacy } = config;
  return {
    unit: privacy.unit,
    clipping: training.clipping,
    clippingNorm: training.clippingNorm,
    noiseMultiplier,
    noise: privacy.unit === 'none' ? 'rounded-gaussian' : privacy.noise,
    samplingRate: training.samplingRate,
    localSteps: training.localSteps,
    expectedBatchSize: training.expectedBatchSize,
    learningRate: training.learningRate,
    targetDelta: privacy.unit === 'none' ? 0 : privacy.targetDelta,
    localMetricsNoiseMultiplier: config.localMetrics?.noiseMultiplier ?? null,
  };
}
