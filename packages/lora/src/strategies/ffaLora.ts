import type { Strategy } from './strategy.ts';

/**
 * FFA-LoRA: A stays as it is derived, B alone is trained. The mean of the clients' BA is the mean of their B times A, so
 * that averaging is exact, and one factor is sent.
 * @see Sun et al. 2024, arXiv 2403.12313, equation 5
 */
export const ffaLora: Strategy = { turns: [{ a: false, b: true }] };
