import type { ErrorCode } from '@chorale/protocol';

const FIRST_BOUND_MS = 1_000;
const LARGEST_BOUND_MS = 30_000;

/** Whoever was told that she asks too much asks no sooner again than this. */
const LEAST_DELAY_MS: Partial<Record<ErrorCode, number>> = { RATE_LIMITED: 5_000 };

/**
 * How long to wait before the next try: uniform in [0, bound), the bound doubling with each failure up to 30 s ("full
 * jitter", Brooker 2015, "Exponential Backoff And Jitter"). Whoever lost a server together does not come back together.
 * @param failures tries in a row that have failed, ≥ 1
 * @param random uniform in [0, 1)
 * @returns milliseconds in [0, 30 000)
 */
export function retryDelayMs(failures: number, random: () => number = uniform): number {
  return random() * Math.min(LARGEST_BOUND_MS, FIRST_BOUND_MS * 2 ** (failures - 1));
}

/** The same, after a refusal that may pass; some of them ask for a while at least. */
export function retryDelayAfter(code: ErrorCode, failures: number): number {
  return (LEAST_DELAY_MS[code] ?? 0) + retryDelayMs(failures);
}

function uniform(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}
