import type { Strategy } from './strategy.ts';

/**
 * Plain LoRA with averaged factors, the baseline: both are trained in every round and averaged one by one, though the
 * product of two means is not the mean of the products.
 * @see Hu et al. 2021, arXiv 2106.09685; Sun et al. 2024, arXiv 2403.12313, equation 4
 */
export const lora: Strategy = { turns: [{ a: true, b: true }] };
