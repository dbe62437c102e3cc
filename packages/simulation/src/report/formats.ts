import type { Spread } from '../statistics.ts';

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Enough digits for a value of any size. */
export function short(value: number, digits = 3): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e5) return String(Number(value.toPrecision(digits)));
  return value.toExponential(1);
}

/** As a standard deviation is written. */
export const rough = (value: number): string => short(value, 2);

export function bytes(count: number): string {
  if (count < 10_000) return `${count} B`;
  return count < 10e6 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / 1024 ** 2).toFixed(1)} MiB`;
}

export function seconds(count: number): string {
  return count < 120 ? `${count.toFixed(1)} s` : `${(count / 60).toFixed(1)} min`;
}

/** `0.81 ± 0.02`; nothing known: a dash. */
export function spread(
  value: Spread | null,
  format: (value: number) => string,
  formatSd: (value: number) => string = format,
): string {
  if (value === null) return '–';
  return value.sd === null ? format(value.mean) : `${format(value.mean)} ± ${formatSd(value.sd)}`;
}

export function orDash(value: number | null, format: (value: number) => string): string {
  return value === null ? '–' : format(value);
}
