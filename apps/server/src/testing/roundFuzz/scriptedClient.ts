import type { RandomInt } from '@chorale/coordinator';
import type { Identity, JoinedMessage, ResolvedRun, Result } from '@chorale/protocol';
import { bindingOf, decodeAdapter, roundEndSchema, roundStartSchema } from '@chorale/protocol';
import { randomUpdate, sha256 } from './fuzzRun.ts';
import type { ClientEnd, ToClient, ToServer } from './wire.ts';

/**
 * A contributor who computes one update a round and delivers it until she knows what became of it, over as many
 * connections as that takes. The world calls her moves; she decides nothing by herself but what the protocol asks for.
 */
export class ScriptedClient {
  identity: Identity | null = null;
  end: ClientEnd | null = null;
  isJoined = false;
  /** The server said that the run has ended. */
  knowsEnd = false;
  /** The round she was asked for and has not computed. */
  asked: number | null = null;
  /** Updates without a verdict. */
  readonly pending = new Map<number, Uint8Array>();
  /** All she ever computed: one for a round. */
  readonly sent = new Map<number, Uint8Array>();
  /** Rounds → what became of her update. */
  readonly verdicts = new Map<number, string>();
  /** Hashes of what the server acknowledged. */
  readonly acknowledged: { round: number; sha256: string }[] = [];
  readonly #run: ResolvedRun;
  readonly #random: RandomInt;
  readonly #waiting = new Map<number, (result: Result<unknown>) => void>();
  #nextId = 1;

  constructor(run: ResolvedRun, random: RandomInt) {
    this.#run = run;
    this.#random = random;
  }

  opened(end: ClientEnd): void {
    this.end = end;
    this.isJoined = false;
    this.#waiting.clear();
    end.onMessage = (message) => this.#receive(message);
    end.onClose = () => this.closed();
  }

  closed(): void {
    this.end = null;
    this.isJoined = false;
    this.#waiting.clear();
  }

  join(): void {
    const { planHash, plan } = this.#run;
    const message = {
      planHash,
      basisHash: plan.basisHash,
      backend: 'wasm',
      availability: 'available',
      chargedRounds: [],
    };
    this.#ask({ event: 'join', message }, (result) => {
      if (result.ok) {
        const { contributorId, token } = result.value as JoinedMessage;
        this.identity = { contributorId, token };
        this.isJoined = true;
      } else if (result.error.code === 'RUN_ENDED') {
        this.knowsEnd = true;
      }
      if (result.ok || result.error.code === 'RUN_ENDED') this.deliverPending();
    });
  }

  setAvailable(available: boolean): void {
    const availability = available ? 'available' : 'paused';
    this.#ask({ event: 'availability', message: { availability } }, () => undefined);
  }

  leave(): void {
    this.#ask({ event: 'leave', message: {} }, (result) => {
      if (result.ok) this.isJoined = false;
    });
  }

  /** Computes what she was asked for, online or not. */
  compute(): void {
    if (this.asked === null) return;
    const round = this.asked;
    this.asked = null;
    if (this.sent.has(round)) return;
    const bytes = randomUpdate(this.#run, round, this.#random);
    this.pending.set(round, bytes);
    this.sent.set(round, bytes);
    this.#deliver(round, bytes);
  }

  deliverPending(): void {
    for (const [round, bytes] of this.pending) this.#deliver(round, bytes);
  }

  /** Sends something that she has sent before again, whatever its verdict was. */
  repeat(): void {
    const sent = [...this.sent];
    if (sent.length === 0) return;
    const [round, bytes] = sent[this.#random(sent.length)]!;
    this.#deliver(round, bytes);
  }

  /** Sends other bytes for a round, hers or anyone's, past or to come. */
  disturb(): void {
    const round = 1 + this.#random(this.#run.plan.config.rounds.count);
    const bytes = randomUpdate(this.#run, round, this.#random);
    this.#ask({ event: 'update', message: { round }, payload: bytes }, (result) => {
      if (result.ok) this.acknowledged.push({ round, sha256: sha256(bytes) });
    });
  }

  #deliver(round: number, payload: Uint8Array): void {
    this.#ask({ event: 'update', message: { round }, payload }, (result) => {
      // What is no retryable refusal is the last word on an update.
      if (!result.ok && result.error.retryable) return;
      const verdict = result.ok ? 'stored' : result.error.code;
      const before = this.verdicts.get(round);
      if (before === 'stored' && verdict !== 'stored') {
        throw new Error(`round ${round} was acknowledged, then refused with ${verdict}`);
      }
      if (result.ok) this.acknowledged.push({ round, sha256: sha256(payload) });
      if (before === 'stored') return;
      this.verdicts.set(round, verdict);
      this.pending.delete(round);
    });
  }

  #ask({ event, message, payload }: Omit<ToServer, 'id'>, then: (result: Result<unknown>) => void): void {
    if (!this.end) return;
    const id = this.#nextId++;
    this.#waiting.set(id, then);
    this.end.send({ id, event, message, ...(payload && { payload }) });
  }

  #receive(down: ToClient): void {
    switch (down.event) {
      case 'answer':
        if (!down.result.ok && down.result.error.code === 'INTERNAL') {
          throw new Error(`the server failed: ${down.result.error.message}`);
        }
        this.#waiting.get(down.id)?.(down.result);
        this.#waiting.delete(down.id);
        return;
      case 'round:start': {
        const { round, adapterVersion } = roundStartSchema.parse(down.message);
        const adapter = decodeAdapter(down.payload, bindingOf(this.#run));
        if (adapter.adapterVersion !== adapterVersion || adapterVersion !== round - 1) {
          throw new Error(`round ${round} came with adapter ${adapter.adapterVersion}`);
        }
        // Never a second computation for one round; a late update is one that another attempt can still take.
        const computed = this.sent.get(round);
        if (!computed) this.asked = round;
        else if (this.verdicts.get(round) !== 'stored') {
          this.pending.set(round, computed);
          this.#deliver(round, computed);
        }
        return;
      }
      case 'round:end': {
        const { round } = roundEndSchema.parse(down.message);
        if (this.asked === round) this.asked = null;
        return;
      }
    }
  }
}
