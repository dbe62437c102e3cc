const wholeNumber = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const threeDigits = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** A count: 12288 → "12,288". */
export function formatCount(count: number): string {
  return wholeNumber.format(count);
}

/** A quantity to three significant digits: 1.0972 → "1.1", 0.00001 → "1e-5". */
export function formatNumber(value: number): string {
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential();
  return threeDigits.format(value);
}

/** A share in [0, 1] as per cent with one decimal: 0.8731 → "87.3 %". */
export function formatPercent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** A loss: two or three decimals, so that columns align: 0.69315 → "0.693". */
export function formatLoss(loss: number): string {
  return loss.toFixed(3);
}

/**
 * Epsilon with two decimals, rounded up, because a privacy loss must never look smaller than it is:
 * 0.411 → "0.42", 6 → "6.00".
 */
export function formatEpsilon(epsilon: number): string {
  // Without the tolerance 0.29 would show as 0.30, since 100 × 0.29 is a little over 29 in floating point.
  return (Math.ceil(100 * epsilon - 1e-9) / 100).toFixed(2);
}

/** Decimal units, as networks count: 49232 → "49.2 kB". */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${wholeNumber.format(bytes)} bytes`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${threeDigits.format(value)} ${units[unit]}`;
}

/** A phrase as a sentence begins: "waiting for contributors" → "Waiting for contributors". */
export function formatSentence(phrase: string): string {
  return phrase.charAt(0).toUpperCase() + phrase.slice(1);
}

/** A length of time: 840 → "0.8 s", 83000 → "1 min 23 s", 7500000 → "2 h 5 min". */
export function formatDuration(durationMs: number): string {
  if (durationMs < 9950) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return seconds % 60 === 0 ? `${minutes} min` : `${minutes} min ${seconds % 60} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** How long ago, in whole seconds at first: 4200 → "4 s ago", 200 → "just now". */
export function formatAge(ageMs: number): string {
  if (ageMs < 1000) return 'just now';
  return ageMs < 60_000 ? `${Math.floor(ageMs / 1000)} s ago` : `${formatDuration(ageMs)} ago`;
}
