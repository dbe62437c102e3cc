import type { DpEvent } from '../events.ts';
import { AccountingDomainError } from './accountingDomainError.ts';
import type { CountedStep } from './composeLoss.ts';
import { DirectedProfile } from './directedProfile.ts';
import type { CountedMechanism } from './flattenEvent.ts';
import { flattenEvent, isMadeOfGaussians } from './flattenEvent.ts';
import { gaussianDelta, gaussianEpsilon } from './gaussianProfile.ts';

/** Where the accountant vouches for its numbers; unsampled Gaussians alone are exact everywhere. */
export const PLD_DOMAIN = {
  smallestNoiseMultiplier: 0.1,
  mostSteps: 1_000_000,
  mostMechanisms: 100,
  smallestDelta: 1e-12,
} as const;

/** All that an event gives away: delta for every epsilon, epsilon for every delta. */
export type PrivacyProfile = {
  /**
   * @param delta in (0, 1)
   * @returns ≥ 0 or Infinity; never below the smallest epsilon that holds, and at most 0.2 % or 5e-4 above it
   * @throws {RangeError} delta is out of its range
   * @throws {AccountingDomainError} delta is below 1e-12 (sampled mechanisms only), or no grid is fine enough
   */
  epsilon(delta: number): number;
  /**
   * @param epsilon ≥ 0
   * @returns in [0, 1], never below the smallest delta that holds; for sampled mechanisms never below 1e-20
   * @throws {RangeError} epsilon is out of its range
   * @throws {AccountingDomainError} no grid is fine enough
   */
  delta(epsilon: number): number;
};

/** Whether this accountant knows every mechanism in the event. It says nothing about the parameters' ranges. */
export function pldSupports(event: DpEvent): boolean {
  return isMadeOfGaussians(event);
}

/**
 * The privacy profile of an event by its privacy loss distribution. Both directions, an example added and an example
 * removed, are composed by themselves; the larger counts. Repeated questions to one profile share work.
 * @throws {TypeError} the event holds a mechanism that this accountant does not know, or mixes privacy units
 * @throws {AccountingDomainError} a parameter is outside of `PLD_DOMAIN`
 * @throws {RangeError} a parameter is impossible
 */
export function privacyProfile(event: DpEvent): PrivacyProfile {
  const { nonPrivate, mechanisms } = flattenEvent(event);
  const exact = exactProfile(nonPrivate, mechanisms);
  const { epsilon, delta } = exact ?? numericProfile(mechanisms);
  return {
    epsilon(atDelta) {
      if (!(atDelta > 0 && atDelta < 1)) throw new RangeError(`delta must be in (0, 1), got ${atDelta}`);
      return epsilon(atDelta);
    },
    delta(atEpsilon) {
      if (!(atEpsilon >= 0)) throw new RangeError(`epsilon must be at least 0, got ${atEpsilon}`);
      return delta(atEpsilon);
    },
  };
}

/** `privacyProfile(event).epsilon(delta)` */
export function pldEpsilon(event: DpEvent, delta: number): number {
  return privacyProfile(event).epsilon(delta);
}

/** `privacyProfile(event).delta(epsilon)` */
export function pldDelta(event: DpEvent, epsilon: number): number {
  return privacyProfile(event).delta(epsilon);
}

/** Nothing, no protection, or only unsampled Gaussians: these need no grid. */
function exactProfile(nonPrivate: boolean, mechanisms: readonly CountedMechanism[]): PrivacyProfile | null {
  if (nonPrivate) return { epsilon: () => Infinity, delta: () => 1 };
  if (mechanisms.length === 0) return { epsilon: () => 0, delta: () => 0 };
  if (mechanisms.some(({ samplingRate }) => samplingRate < 1)) return null;
  const mu = gaussianMu(mechanisms);
  return {
    epsilon: (delta) => gaussianEpsilon(mu, delta),
    delta: (epsilon) => gaussianDelta(mu, epsilon),
  };
}

function numericProfile(mechanisms: readonly CountedMechanism[]): PrivacyProfile {
  const steps: CountedStep[] = mechanisms.filter(({ samplingRate }) => samplingRate < 1);
  // Unsampled Gaussians compose to one, exactly.
  const unsampled = mechanisms.filter(({ samplingRate }) => samplingRate === 1);
  if (unsampled.length > 0) {
    steps.push({ samplingRate: 1, noiseMultiplier: 1 / gaussianMu(unsampled), count: 1 });
  }
  checkDomain(steps);
  const remove = new DirectedProfile(steps, 'remove');
  const add = new DirectedProfile(steps, 'add');
  return {
    epsilon(delta) {
      if (delta < PLD_DOMAIN.smallestDelta) {
        throw new AccountingDomainError(`delta must be at least ${PLD_DOMAIN.smallestDelta}, got ${delta}`);
      }
      const larger = remove.epsilon(delta);
      return Math.max(larger, add.epsilon(delta, larger));
    },
    delta: (epsilon) => Math.max(remove.delta(epsilon), add.delta(epsilon)),
  };
}

function gaussianMu(mechanisms: readonly CountedMechanism[]): number {
  return Math.sqrt(
    mechanisms.reduce((sum, { noiseMultiplier, count }) => sum + count / noiseMultiplier ** 2, 0),
  );
}

function checkDomain(steps: readonly CountedStep[]): void {
  const { smallestNoiseMultiplier, mostSteps, mostMechanisms } = PLD_DOMAIN;
  for (const { noiseMultiplier, samplingRate } of steps) {
    if (noiseMultiplier < smallestNoiseMultiplier) {
      const what =
        samplingRate === 1 ? 'noiseMultiplier of all unsampled releases together' : 'noiseMultiplier';
      throw new AccountingDomainError(
        `${what} must be at least ${smallestNoiseMultiplier}, got ${noiseMultiplier}`,
      );
    }
  }
  const count = steps.reduce((sum, step) => sum + step.count, 0);
  if (count > mostSteps) throw new AccountingDomainError(`steps must be at most ${mostSteps}, got ${count}`);
  if (steps.length > mostMechanisms) {
    throw new AccountingDomainError(
      `different mechanisms must be at most ${mostMechanisms}, got ${steps.length}`,
    );
  }
}
