/** An axis: its ends and where its ticks stand, ascending. */
export type Axis = { from: number; to: number; ticks: number[] };

/**
 * An axis that holds all values, with about `count` ticks at round numbers (1, 2 or 5 times a power of ten).
 * @param values finite, at least one
 */
export function axisFor(values: readonly number[], count: number): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const span = high > low ? high - low : Math.abs(high) || 1;
  const step = roundStep(span / count);
  const first = Math.floor(low / step);
  const last = Math.max(Math.ceil(high / step), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return { from: ticks[0]!, to: ticks.at(-1)!, ticks };
}

/** The same for whole numbers from `from` to `to`, which are the ends. */
export function wholeAxis(from: number, to: number, count: number): Axis {
  const step = Math.max(1, roundStep((to - from) / count));
  const ticks = Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, i) => from + i * step);
  return { from, to: Math.max(to, from + 1), ticks };
}

/** The smallest of 1, 2, 5, 10 … times a power of ten that is at least `least`. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return (
    [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least * (1 - 1e-9)) ?? 10 * power
  );
}
