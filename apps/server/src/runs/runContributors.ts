import { assertNotEnded, isOnline } from '@chorale/coordinator';
import type { Availability, Identity, JoinedMessage, JoinMessage, ResolvedRun } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Who } from '../access/admission.ts';
import { enrol, knownBy } from '../access/admission.ts';
import { noteBackend } from '../identity.ts';
import type { EngineDriver } from './engineDriver.ts';
import type { LedgerMirror } from './ledgerMirror.ts';
import type { RunAudience } from './runAudience.ts';

export type RunContributorsOptions = {
  run: ResolvedRun;
  store: Store;
  engine: EngineDriver;
  ledgers: LedgerMirror;
  audience: Pick<RunAudience, 'dropConnection' | 'changed'>;
};

/** Who takes part in one run, and on which connection. */
export class RunContributors {
  readonly #options: RunContributorsOptions;
  /** Contributor → the connection that speaks for her, and what she said last of being available. */
  readonly #connections = new Map<string, string>();
  readonly #availabilities = new Map<string, Availability>();

  constructor(options: RunContributorsOptions) {
    this.#options = options;
  }

  /**
   * @param who as the handshake proved: a contributor with her secret, or somebody new, whom this makes one
   * @throws {ChoraleError} RUN_ENDED, PLAN_CHANGED, MESSAGE_INVALID, INVITE_REQUIRED, INVITE_INVALID, a STORE_ code
   */
  join(who: Who, message: JoinMessage, connectionId: string): Omit<JoinedMessage, 'state'> {
    const { engine, ledgers, audience } = this.#options;
    assertNotEnded(engine.state);
    this.#requireSamePlan(message);
    ledgers.check(message.chargedRounds);
    const { contributorId, token } = this.#identityOf(who, message);
    const chargedRounds = ledgers.merge(contributorId, message.chargedRounds);
    const { availability } = message;
    engine.dispatch({ type: 'join', contributorId, available: availability === 'available' });
    this.#availabilities.set(contributorId, availability);
    const before = this.#connections.get(contributorId);
    this.#connections.set(contributorId, connectionId);
    if (before !== undefined && before !== connectionId) audience.dropConnection(before);
    return { contributorId, token, chargedRounds };
  }

  setAvailability(contributorId: string, availability: Availability): void {
    const { engine, audience, run } = this.#options;
    engine.dispatch({ type: 'availability', contributorId, available: availability === 'available' });
    if (this.#availabilities.get(contributorId) === availability) return;
    this.#availabilities.set(contributorId, availability);
    audience.changed(run.runId);
  }

  leave(contributorId: string): void {
    this.#options.engine.dispatch({ type: 'leave', contributorId });
    this.#connections.delete(contributorId);
  }

  disconnect(contributorId: string, connectionId: string): void {
    if (this.#connections.get(contributorId) !== connectionId) return;
    this.#connections.delete(contributorId);
    this.#options.engine.dispatch({ type: 'disconnect', contributorId });
  }

  /** One who is not there has the availability she had last. */
  presence(contributorId: string): { online: boolean; availability: Availability } {
    return {
      online: isOnline(this.#options.engine.state, contributorId),
      availability: this.#availabilities.get(contributorId) ?? 'available',
    };
  }

  #requireSamePlan({ planHash, basisHash }: JoinMessage): void {
    const { run } = this.#options;
    if (planHash !== run.planHash) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        `expected plan ${run.planHash}, got ${planHash}; reload the page and agree again`,
      );
    }
    if (basisHash !== run.plan.basisHash) {
      throw new ChoraleError(
        'PLAN_CHANGED',
        `expected the matrices A of this run (${run.plan.basisHash}), this device derived others (${basisHash}); reload the page, or use another browser`,
      );
    }
  }

  #identityOf(who: Who, { backend, chargedRounds }: JoinMessage): Identity {
    const { store, run } = this.#options;
    if ('contributorId' in who) {
      noteBackend(store, run.runId, who.contributorId, backend);
      return who;
    }
    // She may have joined on another socket since this one opened, and the answer there got lost
    const known = knownBy(store, run.runId, who.newToken);
    if (known !== null) return known;
    if (chargedRounds.length > 0) {
      throw new ChoraleError(
        'MESSAGE_INVALID',
        `chargedRounds: expected none from somebody new, got ${chargedRounds.length}; only who proves an identity has a ledger here`,
      );
    }
    return enrol(store, run, who, backend, Date.now());
  }
}
