import type { NormWindow } from '@chorale/coordinator';
import { checkNorm, normWindow } from '@chorale/coordinator';
import type { LocalCounts } from '@chorale/privacy';
import type { Binding, DecodedUpdate, RunPlan } from '@chorale/protocol';
import { ChoraleError, boundRound, decodeUpdate, rowLimit } from '@chorale/protocol';

/** An honest count's noise is beyond so many standard deviations with a probability under 3e-12. */
const COUNT_DEVIATIONS = 7;

/** All that can be said against an update without knowing where the run is. */
export class UpdateCheck {
  readonly #plan: RunPlan;
  readonly #binding: Binding;
  readonly #localCountsNoiseStdDev: number | null;
  #window: { round: number; window: NormWindow | null } | undefined;

  /**
   * @param localCountsNoiseStdDev noise in each of an update's two local counts; null when the run asks for none: an update
   *   that has them unasked, or lacks them, is refused
   */
  constructor(plan: RunPlan, binding: Binding, localCountsNoiseStdDev: number | null) {
    this.#plan = plan;
    this.#binding = binding;
    this.#localCountsNoiseStdDev = localCountsNoiseStdDev;
  }

  /** @throws {ChoraleError} UPDATE_MALFORMED: no update of this run and round, so nothing that its plan could price */
  requireBound(payload: Uint8Array, round: number): void {
    const bound = boundRound(payload, this.#binding);
    if (bound === round) return;
    throw new ChoraleError(
      'UPDATE_MALFORMED',
      `expected bytes of round ${round}, got those of round ${bound}`,
    );
  }

  /** @throws {ChoraleError} UPDATE_MALFORMED, UPDATE_SIZE, UPDATE_NOT_FINITE, UPDATE_OUT_OF_WINDOW */
  read(payload: Uint8Array): DecodedUpdate {
    const update = decodeUpdate(payload, this.#binding);
    const wantsLocalCounts = this.#localCountsNoiseStdDev !== null;
    if ((update.localCounts !== null) !== wantsLocalCounts) {
      throw new ChoraleError(
        'UPDATE_MALFORMED',
        `expected an update ${wantsLocalCounts ? 'with' : 'without'} local counts, as the plan says; reload the page to get the current program`,
      );
    }
    if (this.#window?.round !== update.round) {
      this.#window = { round: update.round, window: normWindow(this.#plan, update.round) };
    }
    if (this.#window.window !== null) checkNorm(update.values, this.#window.window);
    if (update.localCounts !== null) this.#checkCounts(update.localCounts);
    return update;
  }

  /**
   * Counts of at most `rowLimit` rows, which is all a tab reads, with the run's noise. That is drawn as integers, discrete
   * Gaussian noise of a deviation rounded up.
   */
  #checkCounts(counts: LocalCounts): void {
    const { config } = this.#plan;
    if (config.aggregation.normWindow === 'off' || this.#localCountsNoiseStdDev === null) return;
    const margin = COUNT_DEVIATIONS * Math.ceil(this.#localCountsNoiseStdDev) + 1;
    const most = rowLimit(config) + margin;
    for (const [name, count] of Object.entries(counts)) {
      if (count >= -margin && count <= most) continue;
      throw new ChoraleError(
        'UPDATE_OUT_OF_WINDOW',
        `expected local counts from ${-margin} to ${most}, as this run's rows and noise make them, got ${count} for ${name}; reload the page to get the current program`,
      );
    }
  }
}
