import type { Spread } from '@chorale/simulation';

/** Columns as wide as their widest cell, so that the source reads like the page. */
export function table(header: readonly string[], lines: readonly (readonly string[])[]): string[] {
  const widths = header.map((name, i) => Math.max(name.length, ...lines.map((line) => line[i]!.length)));
  return [header, widths.map((width) => '-'.repeat(width)), ...lines].map(
    (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`,
  );
}

/** "63.5 ± 0.8" of fractions: mean and sample standard deviation in percent. */
export function percent({ mean, sd }: Spread): string {
  return sd === null ? (100 * mean).toFixed(1) : `${(100 * mean).toFixed(1)} ± ${(100 * sd).toFixed(1)}`;
}
