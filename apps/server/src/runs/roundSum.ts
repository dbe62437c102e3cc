import type { RoundAggregate } from '@chorale/coordinator';
import { openAggregate, streams } from '@chorale/coordinator';
import type { Binding, DecodedUpdate, RunPlan } from '@chorale/protocol';
import { ChoraleError, decodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { Store } from '@chorale/store';

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

  constructor(options: RoundSumOptions) {
    this.#options = options;
  }

  /**
   * Makes this round's sum present, of what is stored of it now; to be called before more of it is stored.
   * @throws {ChoraleError} a STORE_ code, or an UPDATE_ code when what is stored cannot be read
   */
  open(round: number): void {
    if (!streams(this.#options.plan.config.aggregation) || this.#totals?.round === round) return;
    this.#totals = this.#fromStore(round);
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
   * @param received how many updates the engine counted
   * @throws {ChoraleError} INTERNAL when other updates are stored than the round counted; and as `open`
   */
  total(round: number, received: number): RoundTotal {
    const totals = this.#totals?.round === round ? this.#totals : this.#fromStore(round);
    const { aggregate, correct, rows, counted } = totals;
    if (aggregate.count !== received) {
      throw new ChoraleError(
        'INTERNAL',
        `expected ${received} stored updates of round ${round}, found ${aggregate.count}`,
      );
    }
    const localCounts = { correct: Number(correct), rows: Number(rows), contributors: counted };
    return { meanUpdate: aggregate.finish(), localCounts };
  }

  /** The round is over; its sum can go. */
  forget(): void {
    this.#totals = undefined;
  }

  #fromStore(round: number): Totals {
    const { runId, plan, binding, store } = this.#options;
    const { start, end } = trainedRangeOf(plan, round);
    const aggregate = openAggregate(plan.config.aggregation, end - start);
    const totals: Totals = { round, aggregate, correct: 0n, rows: 0n, counted: 0 };
    for (const { bytes } of store.eachUpdate(runId, round)) addTo(totals, decodeUpdate(bytes, binding));
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
