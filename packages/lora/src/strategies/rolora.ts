import type { Strategy } from './strategy.ts';

/**
 * RoLoRA: rounds train B and A in turns, so that averaging stays exact and A moves nevertheless. B first: where B is zero
 * the gradient of A is zero.
 * @see Chen et al. 2025, arXiv 2502.01755
 */
export const rolora: Strategy = {
  turns: [
    { a: false, b: true },
    { a: true, b: false },
  ],
};
