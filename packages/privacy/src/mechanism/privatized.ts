import type { DpEvent } from '../events.ts';

declare const privatized: unique symbol;

/**
 * A value that may leave the tab: it went through the mechanism that `event` describes. Only this package can make
 * one (`LocalRound.finish`, `noisyLocalCounts`), and the codec takes nothing else.
 */
export type Privatized<T> = { readonly values: T; readonly event: DpEvent; readonly [privatized]: true };

/** Not exported from the package: the one place that grants the mark. */
export function markPrivatized<T>(values: T, event: DpEvent): Privatized<T> {
  return Object.freeze({ values, event }) as Privatized<T>;
}
