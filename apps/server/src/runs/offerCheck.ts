import { checkUpdate } from '@chorale/coordinator';
import type { OfferAnswer, OfferMessage, RunPlan } from '@chorale/protocol';
import { ChoraleError, updateBytes } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { EngineDriver } from './engineDriver.ts';
import type { RefusalNotes } from './refusalNotes.ts';
import { storedHash } from './storedHash.ts';

export type OfferCheckOptions = {
  runId: string;
  plan: RunPlan;
  store: Pick<Store, 'getUpdateHash'>;
  engine: Pick<EngineDriver, 'state'>;
  refusals: RefusalNotes;
};

/**
 * What an update that is offered would be answered, as far as its bytes are not needed for it. Nothing is charged: none of
 * them has arrived.
 */
export class OfferCheck {
  readonly #options: OfferCheckOptions;

  constructor(options: OfferCheckOptions) {
    this.#options = options;
  }

  /**
   * @returns `stored` when just these bytes are stored under the key, whatever has happened since
   * @throws {ChoraleError} UPDATE_CONFLICT, RUN_ENDED, UPDATE_WRONG_ROUND, UPDATE_NOT_IN_COHORT, UPDATE_SIZE, a STORE_ code
   */
  answer(contributorId: string, { round, sha256, payloadBytes }: OfferMessage): OfferAnswer {
    const { runId, plan, store, engine, refusals } = this.#options;
    try {
      const stored = storedHash(store, runId, round, contributorId);
      if (checkUpdate(engine.state, { round, contributorId, sha256 }, stored) === 'duplicate')
        return 'stored';
      const expected = updateBytes(plan, round);
      if (payloadBytes === expected) return 'send';
      throw new ChoraleError(
        'UPDATE_SIZE',
        `expected an update of ${expected} bytes in round ${round}, got an offer of ${payloadBytes}; reload the page to get the current program`,
      );
    } catch (error) {
      refusals.note(contributorId, error);
      throw error;
    }
  }
}
