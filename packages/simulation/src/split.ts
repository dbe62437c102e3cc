import { ChoraleError } from '@chorale/protocol';
import { MINIMUM_ROWS } from '@chorale/trainer';
import { dirichlet } from './dirichlet.ts';
import type { RandomStream } from './randomStream.ts';
import type { SimulationSettings } from './simulationConfig.ts';

export type SplitOptions = Pick<SimulationSettings, 'clients' | 'split' | 'examplesPerClient'>;

/**
 * Deals rows out to clients; no row goes to two of them.
 * - `iid`: the rows shuffled and cut into parts of the same size; fewer rows than clients are left over.
 * - `label-skew`: every client gets the same number n of rows, of each label its share in `mix` (rounded by largest
 *   remainders), with n as large as the rarest label allows.
 * - `dirichlet`: each label's rows are cut in proportions drawn from Dirichlet(alpha) over the clients (Hsu et al. 2019,
 *   arXiv 1909.06335, with the roles of labels and clients as in Yurochkin et al. 2019, arXiv 1905.12022); a client with
 *   fewer than 8 rows then takes some from the client who has most. Sizes differ.
 * `examplesPerClient` makes n that number, or, under `dirichlet`, caps it.
 * @param labels     class index of each row
 * @param classCount number of labels of the task
 * @returns for each client the indices of her rows, ascending
 * @throws {ChoraleError} CONFIG_INVALID: there are too few rows, or the mix does not fit clients and labels
 */
export function splitRows(
  labels: readonly number[],
  classCount: number,
  options: SplitOptions,
  random: RandomStream,
): number[][] {
  const { clients, split, examplesPerClient } = options;
  const parts = ((): number[][] => {
    switch (split.kind) {
      case 'iid':
        return iid(labels.length, clients, examplesPerClient, random);
      case 'label-skew':
        requireMix(split.mix, clients, classCount);
        return labelSkew(rowsByLabel(labels, classCount, random), split.mix, examplesPerClient);
      case 'dirichlet':
        return byDirichlet(labels, classCount, split.alpha, options, random);
      default:
        return split satisfies never;
    }
  })();
  const fewest = Math.min(...parts.map((part) => part.length));
  if (fewest < MINIMUM_ROWS) {
    throw tooFew(`at least ${MINIMUM_ROWS} rows for each of ${clients} clients, there would be ${fewest}`);
  }
  return parts.map((part) => part.toSorted((a, b) => a - b));
}

function iid(rowCount: number, clients: number, size: number | undefined, random: RandomStream): number[][] {
  const most = Math.floor(rowCount / clients);
  const each = size ?? most;
  if (each > most) throw tooFew(`${clients} times ${each} rows, there are ${rowCount}`);
  const shuffled = random.shuffled(range(rowCount));
  return range(clients).map((client) => shuffled.slice(client * each, (client + 1) * each));
}

function labelSkew(
  byLabel: readonly number[][],
  mix: readonly number[][],
  size: number | undefined,
): number[][] {
  /** How many rows of each label all clients together need. */
  const needed = (each: number): number[] => {
    const shares = mix.map((row) => largestRemainders(row, each));
    return byLabel.map((_, label) => shares.reduce((sum, share) => sum + share[label]!, 0));
  };
  const fits = (each: number) => needed(each).every((count, label) => count <= byLabel[label]!.length);
  let each = size;
  if (each === undefined) {
    // Rounding can need one row more for each client than the exact shares: start above what fits, and go down
    const columnSums = byLabel.map((_, label) => mix.reduce((sum, row) => sum + row[label]!, 0));
    each = Math.min(
      ...byLabel.map((rows, label) =>
        columnSums[label]! > 0 ? Math.ceil((rows.length + mix.length) / columnSums[label]!) : Infinity,
      ),
    );
    while (each > 0 && !fits(each)) each -= 1;
  } else if (!fits(each)) {
    const counts = needed(each).flatMap((count, label) => {
      const { length } = byLabel[label]!;
      return count <= length ? [] : [`${count} of label ${label} (there are ${length})`];
    });
    throw tooFew(`${counts.join(', ')} for ${each} rows a client`);
  }
  const taken = byLabel.map(() => 0);
  return mix.map((row) =>
    largestRemainders(row, each).flatMap((count, label) => {
      const start = taken[label]!;
      taken[label] = start + count;
      return byLabel[label]!.slice(start, start + count);
    }),
  );
}

function byDirichlet(
  labels: readonly number[],
  classCount: number,
  alpha: number,
  { clients, examplesPerClient = Infinity }: SplitOptions,
  random: RandomStream,
): number[][] {
  if (labels.length < clients * MINIMUM_ROWS) {
    throw tooFew(`at least ${MINIMUM_ROWS} rows for each of ${clients} clients, there are ${labels.length}`);
  }
  const parts = range(clients).map((): number[] => []);
  for (const rows of rowsByLabel(labels, classCount, random)) {
    const counts = largestRemainders(dirichlet(alpha, clients, random), rows.length);
    let start = 0;
    counts.forEach((count, client) => {
      parts[client]!.push(...rows.slice(start, start + count));
      start += count;
    });
  }
  for (const part of parts) {
    while (part.length < MINIMUM_ROWS) {
      const largest = parts.reduce((most, other) => (other.length > most.length ? other : most));
      part.push(largest.splice(random.below(largest.length), 1)[0]!);
    }
  }
  return parts.map((part) =>
    part.length > examplesPerClient ? random.shuffled(part).slice(0, examplesPerClient) : part,
  );
}

/** Row indices of each label, shuffled. */
function rowsByLabel(labels: readonly number[], classCount: number, random: RandomStream): number[][] {
  return range(classCount).map((label) =>
    random.shuffled(range(labels.length).filter((row) => labels[row] === label)),
  );
}

/** Whole numbers that add up to `total`, as near to the shares as can be; ties go to the first. */
function largestRemainders(shares: readonly number[], total: number): number[] {
  // A share of 0.1 of 30 is 3 and not 2.9999999999999996
  const exact = shares.map((share) => Number((share * total).toFixed(9)));
  const counts = exact.map(Math.floor);
  const left = total - counts.reduce((sum, count) => sum + count, 0);
  const order = range(shares.length).sort(
    (a, b) => exact[b]! - counts[b]! - (exact[a]! - counts[a]!) || a - b,
  );
  for (const index of order.slice(0, left)) counts[index]! += 1;
  return counts;
}

function requireMix(mix: readonly number[][], clients: number, classCount: number): void {
  const wrong = mix.find((row) => row.length !== classCount);
  if (mix.length === clients && wrong === undefined) return;
  const found =
    wrong === undefined ? `${mix.length} rows` : `a row of ${wrong.length} numbers (${wrong.join(', ')})`;
  throw new ChoraleError(
    'CONFIG_INVALID',
    `simulation.split.mix: expected one row for each of ${clients} clients with one number for each of ${classCount} labels, got ${found}`,
  );
}

function tooFew(expected: string): ChoraleError {
  return new ChoraleError(
    'CONFIG_INVALID',
    `simulation.train: the split needs ${expected}; use fewer clients, smaller examplesPerClient or more rows`,
  );
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
