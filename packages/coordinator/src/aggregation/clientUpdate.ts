/** One stored update: the change over the round of the parameters it trains, shape [P]. */
export type ClientUpdate = { contributorId: string; values: Float32Array };

/** Turns the updates of one closed round into one, shape [P]. Must not depend on their order. */
export type Aggregator = (updates: readonly ClientUpdate[]) => Float64Array;
