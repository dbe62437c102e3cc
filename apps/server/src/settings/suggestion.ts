/** " Did you mean …?" when a word is nearly one of those that there are; else nothing. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const typed = word.toLowerCase();
  const most = Math.max(2, Math.floor(word.length / 4));
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = editDistance(typed, candidate.toLowerCase());
    if (distance <= most && distance < (best?.distance ?? Infinity)) best = { candidate, distance };
  }
  return best === undefined ? '' : ` Did you mean ${best.candidate}?`;
}

/** Insertions, deletions and replacements between two words (Wagner and Fischer 1974). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let k = 1; k <= b.length; k++) {
      const replaced = previous[k - 1]! + (a[i - 1] === b[k - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[k]! + 1, current[k - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
