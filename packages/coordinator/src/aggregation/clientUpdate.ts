/** One stored update: the change of all trained parameters over the round, shape [parameterCount]. */
export type ClientUpdate = { contributorId: string; values: Float32Array };

/** Turns the updates of one closed round into one, shape [parameterCount]. Must not depend on their order. */
export type Aggregator = (updates: readonly ClientUpdate[]) => Float64Array;
