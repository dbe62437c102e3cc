import type { LocalCounts, Privatized } from '@chorale/privacy';
import { noiseSource, noisyLocalCounts, startLocalRound } from '@chorale/privacy';
import type { ResolvedRun } from '@chorale/protocol';
import { bindingOf, encodeUpdate, trainedRangeOf } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';

/** Different updates that the synthetic contributors share: what a server costs does not depend on whose they are. */
const POOL_SIZE = 8;

/**
 * Updates as tabs without a single row send them: the run's own mechanism over empty batches, so its noise and nothing
 * else, encoded by the real codec.
 */
export class UpdatePool {
  readonly #run: ResolvedRun;
  readonly #noise = new Map<number, Privatized<Float32Array>[]>();
  readonly #counts: Privatized<LocalCounts> | null;
  #encoded: { round: number; updates: Uint8Array[] } | undefined;

  constructor(run: ResolvedRun) {
    this.#run = run;
    const plan = privacyPlanOf(run.plan);
    this.#counts =
      plan.localMetricsNoiseMultiplier === null
        ? null
        : noisyLocalCounts(plan, { correct: 0, rows: 0 }, noiseSource(plan.noise));
  }

  /** @param contributor its number; the same bytes whenever it is asked for the same round */
  update(round: number, contributor: number): Uint8Array {
    if (this.#encoded?.round !== round) {
      const binding = bindingOf(this.#run);
      const updates = this.#updatesOf(round).map((update) =>
        encodeUpdate(update, round, binding, this.#counts),
      );
      this.#encoded = { round, updates };
    }
    return this.#encoded.updates[contributor % POOL_SIZE]!;
  }

  #updatesOf(round: number): Privatized<Float32Array>[] {
    const { start, end } = trainedRangeOf(this.#run.plan, round);
    const known = this.#noise.get(start);
    if (known) return known;
    const made = Array.from({ length: POOL_SIZE }, () => this.#emptyRound(end - start));
    this.#noise.set(start, made);
    return made;
  }

  #emptyRound(valueCount: number): Privatized<Float32Array> {
    const plan = privacyPlanOf(this.#run.plan);
    const round = startLocalRound(plan, new Float32Array(valueCount), noiseSource(plan.noise));
    const nothing = new Float64Array(valueCount);
    for (let step = 0; step < plan.localSteps; step++) round.step(nothing);
    return round.finish();
  }
}
