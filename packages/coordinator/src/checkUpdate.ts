import { ChoraleError } from '@chorale/protocol';
import type { EngineState } from './engineState.ts';
import { openRound } from './engineState.ts';
import { assertNotEnded } from './roundEngine.ts';

/** An update as it arrived, after its bytes were decoded. */
export type ArrivedUpdate = { round: number; contributorId: string; sha256: string };

/**
 * Decides about an update before it is stored. The key is (run, round, contributor): the same bytes again are
 * acknowledged again whatever has happened since, so that a lost acknowledgement never costs a contributor anything.
 * @param stored hash of what the store holds under the key; undefined when nothing
 * @returns `accept`: store it and report `update-stored`; `duplicate`: acknowledge, change nothing
 * @throws {ChoraleError} UPDATE_CONFLICT, RUN_ENDED, UPDATE_WRONG_ROUND, UPDATE_NOT_IN_COHORT
 */
export function checkUpdate(
  state: EngineState,
  update: ArrivedUpdate,
  stored: string | undefined,
): 'accept' | 'duplicate' {
  if (stored !== undefined) {
    if (stored === update.sha256) return 'duplicate';
    throw new ChoraleError(
      'UPDATE_CONFLICT',
      `expected the update of round ${update.round} that is stored already, got other bytes; send nothing more in this round`,
    );
  }
  assertNotEnded(state);
  const open = openRound(state.durable.phase);
  if (open === undefined || open.round !== update.round) {
    throw new ChoraleError(
      'UPDATE_WRONG_ROUND',
      `expected an update of ${open ? `round ${open.round}` : 'no round (none is open)'}, got one of round ${update.round}; wait for the next round`,
    );
  }
  // Somebody who left without delivering is still of this cohort: an update that was under way when she left counts.
  if (!open.cohort.has(update.contributorId)) {
    throw new ChoraleError(
      'UPDATE_NOT_IN_COHORT',
      `expected a member of round ${open.round}'s cohort; wait until a round chooses you`,
    );
  }
  return 'accept';
}
