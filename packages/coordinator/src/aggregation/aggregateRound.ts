import type { RunConfig, TrainedRange } from '@chorale/protocol';
import type { Aggregator, ClientUpdate } from './clientUpdate.ts';
import { meanAggregator } from './meanAggregator.ts';
import { applyServerSgd } from './serverOptimizer.ts';

const AGGREGATORS: Record<RunConfig['aggregation']['rule'], Aggregator> = { mean: meanAggregator };

/**
 * The next global adapter from the present one and the round's stored updates, by the run's rule and optimizer.
 * @param parameters global adapter the updates started from, shape [parameterCount]
 * @param range      what the round trained of it; the rest stays as it is
 * @returns the next version, shape [parameterCount]; depends only on the set of updates
 */
export function aggregateRound(
  parameters: Float64Array,
  updates: readonly ClientUpdate[],
  { aggregation, range }: { aggregation: RunConfig['aggregation']; range: TrainedRange },
): Float64Array {
  const { start, end } = range;
  const meanUpdate = AGGREGATORS[aggregation.rule](updates);
  const next = parameters.slice();
  const { learningRate } = aggregation.serverOptimizer;
  next.set(applyServerSgd(parameters.subarray(start, end), meanUpdate, learningRate), start);
  return next;
}
