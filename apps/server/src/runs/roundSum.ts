import type { RoundAggregate } from '@chorale/coordinator';
import { openAggregate, streams } from '@chorale/coordinator';
import type { Binding, DecodedUpdate, RunPlan } from '@chorale/protocol';
import { ChoraleError, decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { atOnce } from './inSlices.ts';

export type RoundSumOptions = {
  runId: string;
  plan: Pick<RunPlan, 'config' | 'trainedRanges'>;
  binding: Binding;
  store: Pick<Store, 'eachUpdate'>;
};

/** What a round's updates come to. */
export type RoundTotal = {
  /** Shape [end - start] of the round's trained range. */
  meanUpdate: Float64Array;
  /** Sums of the noisy local counts, and how many contributors sent them. */
  localCounts: { correct: number; rows: number; contributors: number };
};

type Totals = {
  round: number;
  aggregate: RoundAggregate;
  /** Exact, so that no order of arrival shows. */
  correct: bigint;
  rows: bigint;
  counted: number;
};

/**
 * The stored updates of one round of a run as they become one. Where the aggregation streams, each is added once it is
 * stored and then forgotten, so that memory does not grow with the cohort; else the store is read when the round closes.
 * The store is the truth: a sum that is not there, as after a restart, is made anew from it.
 */
export class RoundSum {
  readonly #options: RoundSumOptions;
  #totals: Totals | undefined;
  /** The round whose updates could not be read. */
  #unread: number | undefined;

  constructor(options: RoundSumOptions) {
    this.#options = options;
  }

  /**
   * Makes this round's sum present, of what is stored of it now; to be called before more of it is stored. What cannot be
   * read leaves no sum, as in `add`.
   */
  open(round: number): void {
    if (!streams(this.#options.plan.config.aggregation)) return;
    if (this.#totals?.round === round || this.#unread === round) return;
    this.#totals = undefined;
    try {
      this.#totals = atOnce(this.#fromStore(round));
    } catch {
      this.#unread = round; // once is enough: this takes long, and each batch asks for it
    }
  }

  /**
   * Adds an update that is durable now; only of the round that `open` was called for. What cannot be added leaves no sum,
   * and the round's total, made of what is stored, says why.
   */
  add(update: DecodedUpdate): void {
    const totals = this.#totals;
    if (totals?.round !== update.round) return;
    try {
      addTo(totals, update);
    } catch {
      this.#totals = undefined;
    }
  }

  /**
   * Pauses between updates that are read and blocks of parameters that are sorted. No pause where the sum is there.
   * @param received how many updates the engine counted
   * @throws {ChoraleError} INTERNAL when other updates are stored than the round counted; a STORE_ code, or an UPDATE_ code
   *   when what is stored cannot be read
   */
  *total(round: number, received: number): Generator<undefined, RoundTotal, undefined> {
    const totals = this.#totals?.round === round ? this.#totals : yield* this.#fromStore(round);
    const { aggregate, correct, rows, counted } = totals;
    if (aggregate.count !== received) {
      throw new ChoraleError(
        'INTERNAL',
        `expected ${received} stored updates of round ${round}, found ${aggregate.count}`,
      );
    }
    const localCounts = { correct: Number(correct), rows: Number(rows), contributors: counted };
    return { meanUpdate: yield* aggregate.finishInSteps(), localCounts };
  }

  /** The round is over, or its sum in doubt: it can go. */
  forget(): void {
    this.#totals = undefined;
    this.#unread = undefined;
  }

  *#fromStore(round: number): Generator<undefined, Totals, undefined> {
    const { runId, plan, binding, store } = this.#options;
    const { start, end } = trainedRangeOf(plan, round);
    const aggregate = openAggregate(plan.config.aggregation, end - start);
    const totals: Totals = { round, aggregate, correct: 0n, rows: 0n, counted: 0 };
    for (const { bytes } of store.eachUpdate(runId, round)) {
      addTo(totals, decodeUpdate(bytes, binding));
      yield undefined;
    }
    return totals;
  }
}

function addTo(totals: Totals, { values, localCounts }: DecodedUpdate): void {
  totals.aggregate.add(values);
  if (localCounts === null) return;
  totals.correct += BigInt(localCounts.correct);
  totals.rows += BigInt(localCounts.rows);
  totals.counted++;
}
