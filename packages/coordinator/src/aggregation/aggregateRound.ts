import type { RunConfig } from '@chorale/protocol';
import type { Aggregator, ClientUpdate } from './clientUpdate.ts';
import { meanAggregator } from './meanAggregator.ts';
import { applyServerSgd } from './serverOptimizer.ts';

const AGGREGATORS: Record<RunConfig['aggregation']['rule'], Aggregator> = { mean: meanAggregator };

/**
 * The next global adapter from the present one and the round's stored updates, by the run's rule and optimizer.
 * @param parameters global adapter the updates started from, shape [parameterCount]
 * @returns the next version, shape [parameterCount]; depends only on the set of updates
 */
export function aggregateRound(
  parameters: Float64Array,
  updates: readonly ClientUpdate[],
  aggregation: RunConfig['aggregation'],
): Float64Array {
  const meanUpdate = AGGREGATORS[aggregation.rule](updates);
  return applyServerSgd(parameters, meanUpdate, aggregation.serverOptimizer.learningRate);
}
