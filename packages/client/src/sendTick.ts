/**
 * Updates leave at whole multiples of this since the start of their round. When sums and noise are ready depends on rows
 * and draws; so coarse a clock shows neither single examples nor single draws (Jin et al. 2021, arXiv 2112.05307). It
 * does not hide a large batch from a small one.
 */
export const SEND_TICK_MS = 1_000;

/** @returns milliseconds to wait until the next tick, in [0, tickMs) */
export function untilTick(startedAtMs: number, nowMs: number, tickMs: number): number {
  const sinceTick = (nowMs - startedAtMs) % tickMs;
  return sinceTick === 0 ? 0 : tickMs - sinceTick;
}
