import type { Compute } from '@chorale/compute';
import type { CoinCheck, ErrorRates, NoiseCheck, PrivacyPlan, RandomSource } from '@chorale/privacy';
import {
  NoiseTally,
  TradeOffCurve,
  canaryScorer,
  dpSgdEvent,
  errorRates,
  noiseMultiplierUpper,
  plainEpsilonBound,
  refutation,
  reportedEpsilon,
  scoreThresholds,
  soundDelta,
  webCryptoRandom,
} from '@chorale/privacy';
import { canariesPerTraining, trainOnCanaries } from './canaryTraining.ts';
import type { ContributionCheck } from './clippingAndCoins.ts';
import { CALM_TRAININGS, calmReleases, checkClippingAndCoins } from './clippingAndCoins.ts';

/** Mathematically the same for every run: the gradient sum is divided and scaled by public constants. */
export type AuditOptions = {
  compute: Compute;
  /** The plan that runs; unit `example`. */
  plan: PrivacyPlan;
  /** The plan that is claimed; left out: the one that runs. Tests of the audit let them differ. */
  claimedPlan?: PrivacyPlan;
  /** Noised steps of the claim: a multiple of plan.localSteps. */
  steps: number;
  /** Examples whose presence is guessed; half of them are in the data. */
  canaries: number;
  /** In (0, 1): all confidence bounds hold together with this probability. */
  confidence: number;
  random?: RandomSource;
  onProgress?: (releasesDone: number, releasesInAll: number) => void;
};

export type AuditReport = {
  claimed: {
    epsilon: number;
    delta: number;
    samplingRate: number;
    noiseMultiplier: number;
    steps: number;
    localSteps: number;
  };
  canaries: { present: number; absent: number };
  confidence: number;
  /** How far one example can move a release. */
  contribution: ContributionCheck;
  coins: CoinCheck;
  noise: NoiseCheck;
  game: {
    /** Whether no observed pair of error rates lies below what the claim allows, even at its confidence bounds. */
    passed: boolean;
    /** The pair that refutes the claim, or else the one with the smallest sum of errors. */
    rates: ErrorRates;
    /** Least false negative rate that the claim allows at `rates.falsePositiveUpper`. */
    leastFalseNegativeRate: number;
    /** Epsilon is at least this, whatever the mechanism. */
    epsilonAtLeast: number;
    /**
     * Epsilon is at least this, if the mechanism is a sampled Gaussian one with the claimed sampling rate and steps, and
     * its noise multiplier at most the other number; null when nothing is shown.
     */
    gaussian: { epsilonAtLeast: number; noiseMultiplierAtMost: number } | null;
  };
  passed: boolean;
};

/**
 * White-box audit of the training step with canaries (Nasr et al. 2021, arXiv 2101.04535; orthogonal canaries as in
 * Steinke, Nasr, Jagielski 2023, arXiv 2305.08846), in three parts:
 * 1. almost without noise: how far one example moves a release, and whether the coins are independent Bernoulli(q);
 * 2. at the plan's noise, in the coordinates of absent canaries: its size, and whether its draws are independent;
 * 3. the same releases, as the games that differential privacy is defined by: guess from all releases of a training
 *    whether a canary was in the data. Canaries have coins, coordinates and noise of their own, so each is an independent
 *    game of the very pair of distributions that the accountant composes, and exact (Clopper-Pearson) bounds of the error
 *    rates can be held against the claim's trade-off curve.
 * The adversary sees every update, knows all gradients and the plan, and uses the best test there is for the claim. It cannot
 * see what no update shows: timing, files, the page around the step.
 * @throws {RangeError} an argument is out of its range, or the plan protects another unit
 */
export async function auditTrainingStep(options: AuditOptions): Promise<AuditReport> {
  const { compute, plan, steps, canaries, confidence, random = webCryptoRandom, onProgress } = options;
  const claim = options.claimedPlan ?? plan;
  checkOptions(options);
  const releases = steps / plan.localSteps;
  const width = canariesPerTraining(plan);
  const trainings = Math.ceil(canaries / width);
  const inAll = CALM_TRAININGS * calmReleases(plan) + trainings * releases;
  let done = 0;
  const onRelease = () => onProgress?.((done += 1), inAll);
  const training = { compute, plan, random, unit: claim.clippingNorm };
  // The interval of the sampling rate gets half of what may go wrong, the games the other half
  const errorProbability = (1 - confidence) / 2;

  const { contribution, coins } = await checkClippingAndCoins(
    training,
    claim.samplingRate,
    errorProbability,
    onRelease,
  );

  const release = { ...claim, localSteps: plan.localSteps };
  const score = canaryScorer(release);
  const scores = { present: [] as number[], absent: [] as number[] };
  const noise = new NoiseTally();
  const claimedStdDev = claim.noiseMultiplier * Math.sqrt(plan.localSteps);
  for (let first = 0; first < canaries; first += width) {
    const count = Math.min(width, canaries - first);
    const seen: Float64Array[] = [];
    const present = await trainOnCanaries({ ...training, canaries: count, releases }, (observations) => {
      seen.push(observations);
      onRelease();
    });
    present.forEach((isIn, canary) => {
      const total = seen.reduce((sum, observations) => sum + score(observations[canary]!), 0);
      (isIn ? scores.present : scores.absent).push(total);
    });
    let previous: Float64Array | null = null;
    for (const observations of seen) {
      const alone = observations
        .filter((_, canary) => !present[canary])
        .map((value) => value / claimedStdDev);
      noise.add(alone, previous);
      previous = alone;
    }
  }

  const eventFor = (noiseMultiplier: number) => dpSgdEvent(claim.samplingRate, noiseMultiplier, steps);
  const epsilonFor = (noiseMultiplier: number) =>
    reportedEpsilon(eventFor(noiseMultiplier), claim.targetDelta).epsilon;
  const deltaFor = (noiseMultiplier: number) => soundDelta(eventFor(noiseMultiplier));

  const rates = errorRates(scores, scoreThresholds(release, releases), errorProbability);
  const claimedCurve = new TradeOffCurve(deltaFor(claim.noiseMultiplier));
  const refuting = refutation(rates, claimedCurve);
  const shown = refuting ?? rates.reduce((a, b) => (sumOfErrors(b) < sumOfErrors(a) ? b : a));
  const noiseAtMost = noiseMultiplierUpper(rates, deltaFor, claim.noiseMultiplier);
  const noiseCheck = noise.check();
  return {
    claimed: {
      epsilon: epsilonFor(claim.noiseMultiplier),
      delta: claim.targetDelta,
      samplingRate: claim.samplingRate,
      noiseMultiplier: claim.noiseMultiplier,
      steps,
      localSteps: plan.localSteps,
    },
    canaries: { present: scores.present.length, absent: scores.absent.length },
    confidence,
    contribution,
    coins,
    noise: noiseCheck,
    game: {
      passed: refuting === null,
      rates: shown,
      leastFalseNegativeRate: claimedCurve.leastFalseNegativeRate(shown.falsePositiveUpper),
      epsilonAtLeast: plainEpsilonBound(rates, claim.targetDelta),
      gaussian:
        noiseAtMost === null
          ? null
          : { epsilonAtLeast: epsilonFor(noiseAtMost), noiseMultiplierAtMost: noiseAtMost },
    },
    passed: contribution.passed && coins.passed && noiseCheck.passed && refuting === null,
  };
}

const sumOfErrors = (rates: ErrorRates) => rates.falsePositiveUpper + rates.falseNegativeUpper;

function checkOptions({ plan, claimedPlan = plan, steps, canaries, confidence }: AuditOptions): void {
  if (plan.unit !== 'example' || claimedPlan.unit !== 'example') {
    throw new RangeError(
      `expected a plan with unit 'example', got '${plan.unit}': the audit knows no other unit`,
    );
  }
  if (!Number.isSafeInteger(steps) || steps < 1 || steps % plan.localSteps !== 0) {
    throw new RangeError(
      `steps must be a multiple of localSteps ${plan.localSteps}, at least once, got ${steps}`,
    );
  }
  if (!Number.isSafeInteger(canaries) || canaries < 100) {
    throw new RangeError(`canaries must be an integer of at least 100, got ${canaries}: fewer show nothing`);
  }
  if (!(confidence > 0 && confidence < 1)) {
    throw new RangeError(`confidence must be in (0, 1), got ${confidence}`);
  }
}
