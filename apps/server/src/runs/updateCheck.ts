import type { NormWindow } from '@chorale/coordinator';
import { checkNorm, normWindow } from '@chorale/coordinator';
import type { Binding, DecodedUpdate, RunPlan } from '@chorale/protocol';
import { ChoraleError, boundRound, decodeUpdate } from '@chorale/protocol';

/** All that can be said against an update without knowing where the run is. */
export class UpdateCheck {
  readonly #plan: RunPlan;
  readonly #binding: Binding;
  readonly #wantsLocalCounts: boolean;
  #window: { round: number; window: NormWindow | null } | undefined;

  /** @param wantsLocalCounts whether the run asks for them; an update that has them unasked, or lacks them, is refused */
  constructor(plan: RunPlan, binding: Binding, wantsLocalCounts: boolean) {
    this.#plan = plan;
    this.#binding = binding;
    this.#wantsLocalCounts = wantsLocalCounts;
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
    if ((update.localCounts !== null) !== this.#wantsLocalCounts) {
      throw new ChoraleError(
        'UPDATE_MALFORMED',
        `expected an update ${this.#wantsLocalCounts ? 'with' : 'without'} local counts, as the plan says; reload the page to get the current program`,
      );
    }
    if (this.#window?.round !== update.round) {
      this.#window = { round: update.round, window: normWindow(this.#plan, update.round) };
    }
    if (this.#window.window !== null) checkNorm(update.values, this.#window.window);
    return update;
  }
}
