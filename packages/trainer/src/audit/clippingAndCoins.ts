import { CoinTally } from '@chorale/privacy';
import type { CoinCheck, PrivacyPlan } from '@chorale/privacy';
import type { CanaryTraining } from './canaryTraining.ts';
import { canariesPerTraining, trainOnCanaries } from './canaryTraining.ts';

/** What one example can do to a release; all in units of the claimed clippingNorm. */
export type ContributionCheck = {
  /** Most that one coin of one canary moved a release. */
  largest: number;
  /** Most that a release moved in the coordinate of a canary that is not in the data. */
  absentLargest: number;
  passed: boolean;
};

export const CALM_TRAININGS = 2;

/** Releases of a calm training: enough to tell batches of a fixed size from Poisson ones. */
export const calmReleases = ({ localSteps }: PrivacyPlan) => Math.max(64, Math.ceil(256 / localSteps));

/** Standard deviation of the noise on a release; 50 of it fit into the tolerance. */
const CALM_NOISE = 1e-4;
const TOLERANCE = 0.005;
/** Clipping stays 1e-4 under its bound, and truncation takes a little more, in every step. */
const SHORTFALL_PER_STEP = 2e-4;

/**
 * Runs the training step with so little noise that what every example did can be read off: the clipping and the coins, which
 * are the same code with any noise.
 * @param training without its number of canaries and releases, which are chosen here
 * @param errorProbability of the confidence interval of the sampling rate
 */
export async function checkClippingAndCoins(
  training: Omit<CanaryTraining, 'canaries' | 'releases'>,
  claimedSamplingRate: number,
  errorProbability: number,
  onRelease: () => void,
): Promise<{ contribution: ContributionCheck; coins: CoinCheck }> {
  const { localSteps } = training.plan;
  const plan = { ...training.plan, noiseMultiplier: CALM_NOISE / Math.sqrt(localSteps) };
  const tally = new CoinTally(claimedSamplingRate);
  let [largest, absentLargest, unreadable] = [0, 0, 0];
  for (let trainings = 0; trainings < CALM_TRAININGS; trainings++) {
    const releases: Float64Array[] = [];
    const calm = { ...training, plan, canaries: canariesPerTraining(plan), releases: calmReleases(plan) };
    const present = await trainOnCanaries(calm, (observations) => {
      releases.push(observations);
      onRelease();
    });
    const timesDrawn = releases.map((observations) => {
      const drawn: number[] = [];
      observations.forEach((moved, canary) => {
        if (!present[canary]) {
          absentLargest = Math.max(absentLargest, Math.abs(moved));
          return;
        }
        const times = Math.max(0, Math.round(moved));
        const coinsThatCount = Math.min(Math.max(times, 1), localSteps);
        largest = Math.max(largest, Math.abs(moved) / coinsThatCount);
        if (Math.abs(moved - times) > TOLERANCE + SHORTFALL_PER_STEP * localSteps) unreadable += 1;
        drawn.push(times);
      });
      return drawn;
    });
    tally.add(timesDrawn, localSteps);
  }
  return {
    contribution: {
      largest,
      absentLargest,
      passed: largest <= 1 + TOLERANCE && absentLargest <= TOLERANCE && unreadable === 0,
    },
    coins: tally.check(errorProbability),
  };
}
