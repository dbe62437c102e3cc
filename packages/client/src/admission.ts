import type { Handshake, JoinMessage, JoinedMessage, PublicRun } from '@chorale/protocol';
import { ChoraleError, PROTOCOL_VERSION, inviteCodeSchema } from '@chorale/protocol';
import type { IdentityBackup } from './identityBackup.ts';
import type { Identity, KeptIdentity, Ledger } from './ledger.ts';
import { newcomer } from './newToken.ts';
import type { RunConnection } from './runConnection.ts';
import type { Spending } from './spending.ts';

export type AdmissionOptions = {
  run: PublicRun['run'];
  ledger: Ledger;
  /** null where there is none. */
  identityBackup: IdentityBackup | null;
  /** The code that lets her into a run by invitation; null when she has none. */
  invite: string | null;
  spending: Spending;
};

/** Who a contributor is to the server of a run, on each connection anew, and what its copy of her ledger brings back. */
export class Admission {
  readonly #options: AdmissionOptions;
  /** Her name is in the backup; once a page is enough. */
  #backedUp = false;
  /** In this visit; the connection may break before the ledger has written it. */
  #joinedAs: Identity | null = null;
  /** In this visit, as somebody new. */
  #newcomer: Promise<KeptIdentity> | null = null;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * What the server hears as a socket opens: who she was before, else the secret she will have, and her invite.
   * @throws {ChoraleError} as `#identityOf`; INVITE_INVALID: it cannot be one
   */
  async handshake(): Promise<Handshake> {
    const { run, invite } = this.#options;
    const { contributorId, token } = (await this.#identityOf()) ?? (await this.#becomeNewcomer());
    const common = { protocolVersion: PROTOCOL_VERSION, runId: run.runId };
    if (contributorId !== null) return { ...common, identity: { contributorId, token } };
    if (invite === null) return { ...common, newToken: token };
    if (!inviteCodeSchema.safeParse(invite).success) {
      throw new ChoraleError(
        'INVITE_INVALID',
        'Expected an invite code of 16 to 64 letters, digits, "-" and "_", got something else. Copy the whole link or code that you were sent.',
      );
    }
    return { ...common, newToken: token, invite };
  }

  /**
   * Joins, and keeps the name that the server gave.
   * @throws {ChoraleError} what the server answered; TIMEOUT; LEDGER_UNAVAILABLE
   */
  async join(
    connection: RunConnection,
    { backend, availability }: Pick<JoinMessage, 'backend' | 'availability'>,
  ): Promise<JoinedMessage> {
    const { run, ledger, spending } = this.#options;
    const { planHash, plan } = run;
    const joined = await connection.join({
      planHash,
      basisHash: plan.basisHash,
      backend,
      availability,
      chargedRounds: spending.chargedRounds,
    });
    const { contributorId, token } = joined;
    const identity = { contributorId, token, planHash };
    this.#joinedAs = identity;
    await ledger.saveIdentity(identity);
    void this.#backUp(identity);
    return joined;
  }

  /**
   * Who she was before: from this visit or the ledger; when its storage was lost, from the backup, and the server's copy
   * brings the rest back.
   * @returns null only when none of them knows her
   * @throws {ChoraleError} PLAN_CHANGED: she agreed to another plan; LEDGER_UNAVAILABLE; DISCONNECTED: whether she was
   *   here before cannot be told now, and as somebody new she would start from zero
   */
  async #identityOf(): Promise<KeptIdentity | null> {
    const { run, ledger, identityBackup } = this.#options;
    const identity: KeptIdentity | null =
      this.#joinedAs ?? (await ledger.identity()) ?? (await identityBackup?.read(run.runId)) ?? null;
    if (identity && identity.planHash !== run.planHash) throw otherRun('its plan has changed');
    return identity;
  }

  /**
   * Her secret is kept before the server hears of it: when the answer to her join gets lost, she comes back with it, in
   * this visit or a later one, and is no second contributor with a second invite.
   */
  #becomeNewcomer(): Promise<KeptIdentity> {
    const { run, ledger } = this.#options;
    const keep = async (): Promise<KeptIdentity> => {
      const identity = newcomer(run.planHash);
      await ledger.saveIdentity(identity);
      return identity;
    };
    return (this.#newcomer ??= keep());
  }

  /**
   * Counts what the server's copy of the ledger charges and this one does not; the larger of both holds.
   * @param busyRound what is being computed now is charged when it is released; null for none
   * @returns the rounds that were missing here
   * @throws {ChoraleError} MESSAGE_INVALID: it charges a round that the plan does not have; LEDGER_UNAVAILABLE
   */
  async restore(chargedRounds: readonly number[], busyRound: number | null): Promise<number[]> {
    const roundCount = this.#options.run.plan.config.rounds.count;
    const beyond = chargedRounds.find((round) => round > roundCount);
    if (beyond !== undefined) {
      throw new ChoraleError(
        'MESSAGE_INVALID',
        `The server charges round ${beyond} of a run of ${roundCount} rounds. Nothing more is sent.`,
      );
    }
    return await this.#options.spending.restore(chargedRounds.filter((round) => round !== busyRound));
  }

  /** When it fails, the next connection tries again; taking part does not wait for it. */
  async #backUp(identity: Identity): Promise<void> {
    const { run, identityBackup } = this.#options;
    if (this.#backedUp || !identityBackup) return;
    try {
      await identityBackup.save(run.runId, identity);
      this.#backedUp = true;
    } catch (error) {
      console.error('The contributor number could not be kept in a second place.', error);
    }
  }
}

/** @param because what about the run is not as it was */
export function otherRun(because: string): ChoraleError {
  return new ChoraleError(
    'PLAN_CHANGED',
    `This run is not the one you agreed to: ${because}. Nothing more is sent. Tell the person who runs it.`,
  );
}
