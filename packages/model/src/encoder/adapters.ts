import type { Tensor } from '@chorale/compute';

/** A low-rank addition to one linear module: y += scaling * (x a) b. */
export type LinearAdapter = {
  /** [inDim, rank]; frozen, or trained too for plain LoRA. */
  a: Tensor;
  /** [rank, outDim], trained. */
  b: Tensor;
  /** alpha / rank. */
  scaling: number;
};

/** Adapters by canonical module name. */
export type Adapters = ReadonlyMap<string, LinearAdapter>;

/** Which factor's gradients are wanted: A's need the inputs of the modules, B's only their projections x A. */
export type AdapterFactors = { a: boolean; b: boolean };

/**
 * Called with each module's per-example gradient of one factor: of `a` [N, inDim*rank], row-major in (inDim, rank); of
 * `b` [N, rank*outDim], row-major in (rank, outDim). The tensor belongs to the scope `encoderBackward` is called in.
 */
export type OnAdapterGradient = (module: string, factor: 'a' | 'b', gradient: Tensor) => void;
