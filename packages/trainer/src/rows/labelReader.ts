/**
 * Reads the cells of a label column: a label's name, without regard to case and surrounding space, or, where no name is
 * a number, its index from 0.
 * @returns cell → class index, or null when it is no label of the task
 */
export function labelReader(labels: readonly string[]): (cell: string) => number | null {
  const byName = new Map(labels.map((label, i) => [foldLabel(label), i]));
  const namesAreNumbers = labels.some((label) => /^\d+$/.test(label));
  return (cell) => {
    const named = byName.get(foldLabel(cell));
    if (named !== undefined) return named;
    const folded = cell.trim();
    if (namesAreNumbers || !/^\d+$/.test(folded)) return null;
    const index = Number(folded);
    return index < labels.length ? index : null;
  };
}

function foldLabel(label: string): string {
  return label.trim().toLowerCase();
}
