/** The two factors of an adapter: y += scaling · (x a) b, A [inDim, rank] and B [rank, outDim]. */
export type Factors = { a: boolean; b: boolean };

/**
 * Which factors of the adapters are trained, and when. A trained head is trained in every round. Everything else about a
 * strategy follows from this: what stands in the flat vector of parameters, the range of it that a round trains, clips,
 * noises and sends, and which gradients the backward pass has to compute.
 */
export type Strategy = {
  /** Factors that the first, second, … round trains; after the last one from the first again. */
  turns: readonly Factors[];
};
