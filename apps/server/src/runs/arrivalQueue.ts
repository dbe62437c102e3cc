import type { UpdateReceipt } from '@chorale/protocol';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { Observer, UpdateOutcome } from '../observer.ts';

/** One update as it arrived from a contributor who has proved who she is; exactly one of its answers is given. */
export type Arrival = {
  contributorId: string;
  /** The round its message names. */
  round: number;
  payload: Uint8Array;
  /** Whole milliseconds since 1970. */
  receivedAtMs: number;
  resolve: (receipt: UpdateReceipt) => void;
  reject: (error: unknown) => void;
};

export type ArrivalQueueOptions = {
  runId: string;
  /** Bytes of payloads that may wait; one always may. */
  limitBytes: number;
  now: () => number;
  observer: Observer;
  /** Answers each of them before it returns. */
  receive: (arrivals: readonly Arrival[]) => void;
};

/**
 * Collects the updates that one turn of the event loop brings, so that they share a transaction. Nothing waits longer than
 * that: the more there is to do, the more a turn brings.
 */
export class ArrivalQueue {
  readonly #options: ArrivalQueueOptions;
  #waiting: Arrival[] = [];
  #bytes = 0;
  #flush: NodeJS.Immediate | undefined;
  #parked = false;

  constructor(options: ArrivalQueueOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the update is durable.
   * @throws {ChoraleError} (rejects) RATE_LIMITED, SERVER_CLOSING, an UPDATE_ code, RUN_ENDED, a STORE_ code
   */
  push(contributorId: string, round: number, payload: Uint8Array): Promise<UpdateReceipt> {
    const startedMs = performance.now();
    const answer = Promise.withResolvers<UpdateReceipt>();
    const answered = (outcome: UpdateOutcome): void =>
      this.#options.observer.updateAnswered(
        this.#options.runId,
        outcome,
        payload.byteLength,
        (performance.now() - startedMs) / 1000,
      );
    const arrival: Arrival = {
      contributorId,
      round,
      payload,
      receivedAtMs: this.#options.now(),
      resolve: (receipt) => {
        answered(receipt.duplicate ? 'duplicate' : 'accepted');
        answer.resolve(receipt);
      },
      reject: (error) => {
        answered(wireError(error).code);
        answer.reject(error);
      },
    };
    if (this.#admit(arrival)) this.#enqueue(arrival);
    return answer.promise;
  }

  /** Takes nothing more, and answers all that wait. */
  park(): void {
    this.#parked = true;
    this.#flushNow();
  }

  #admit({ payload, reject }: Arrival): boolean {
    const { limitBytes } = this.#options;
    if (this.#parked) {
      reject(new ChoraleError('SERVER_CLOSING', 'the server is being stopped; send the update again then'));
      return false;
    }
    if (this.#waiting.length > 0 && this.#bytes + payload.byteLength > limitBytes) {
      reject(
        new ChoraleError(
          'RATE_LIMITED',
          `expected at most ${limitBytes} bytes of updates to wait at once; send it again in a moment`,
        ),
      );
      return false;
    }
    return true;
  }

  #enqueue(arrival: Arrival): void {
    this.#waiting.push(arrival);
    this.#bytes += arrival.payload.byteLength;
    this.#options.observer.updateQueue(this.#options.runId, this.#waiting.length);
    this.#flush ??= setImmediate(() => this.#flushNow());
  }

  #flushNow(): void {
    clearImmediate(this.#flush);
    this.#flush = undefined;
    if (this.#waiting.length === 0) return;
    const arrivals = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#options.receive(arrivals);
    this.#options.observer.updateQueue(this.#options.runId, this.#waiting.length);
  }
}
