import type { DpEvent } from '../events.ts';
import { rdpEpsilon } from './rdpAccountant.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';

const GRID = 10_000; // results are multiples of 1e-4
const SMALLEST = 0.01 * GRID;
const LARGEST = 1e6 * GRID;

/**
 * Smallest noise multiplier, in steps of 1e-4, whose reported epsilon is at most the target.
 * @param eventOf       what is released with a noise multiplier; more noise must not raise its epsilon. All of it counts:
 * an event may hold parts whose noise is fixed
 * @param targetEpsilon > 0
 * @param targetDelta   in (0, 1)
 * @returns at least 0.01 (where epsilon is in the thousands); with it the target holds, with 1e-4 less it does not
 * @throws {RangeError} an argument is out of its range, or no noise multiplier up to 1e6 reaches the target
 */
export function noiseMultiplierFor(
  eventOf: (noiseMultiplier: number) => DpEvent,
  targetEpsilon: number,
  targetDelta: number,
): number {
  if (!(targetEpsilon > 0 && targetEpsilon < Infinity)) {
    throw new RangeError(`targetEpsilon must be a finite number over 0, got ${targetEpsilon}`);
  }
  if (!(targetDelta > 0 && targetDelta < 1)) {
    throw new RangeError(`targetDelta must be in (0, 1), got ${targetDelta}`);
  }
  const reported = (units: number) => reportedEpsilon(eventOf(units / GRID), targetDelta).epsilon;
  // Rényi accounting is quick, and an upper bound: what suffices by it suffices.
  let enough = smallestByRdp(eventOf, targetEpsilon, targetDelta) ?? LARGEST;
  const epsilonOfMost = enough === LARGEST ? reported(LARGEST) : 0;
  if (epsilonOfMost > targetEpsilon) {
    throw new RangeError(
      `no noiseMultiplier up to ${LARGEST / GRID} reaches targetEpsilon ${targetEpsilon} at targetDelta ${targetDelta} ` +
        `(${LARGEST / GRID} leaves ${epsilonOfMost}); choose a larger epsilon or fewer steps`,
    );
  }
  let tooSmall = enough;
  do {
    enough = tooSmall;
    if (enough === SMALLEST) return SMALLEST / GRID;
    tooSmall = Math.max(SMALLEST, Math.floor(0.8 * enough));
  } while (reported(tooSmall) <= targetEpsilon);
  return boundary(reported, targetEpsilon, enough, tooSmall) / GRID;
}

/**
 * How many times an event may happen until epsilon would cross a limit.
 * @param spent        what was released before; null for nothing
 * @param event        what is to be released again and again
 * @param epsilonLimit ≥ 0, or Infinity
 * @param delta        in (0, 1)
 * @param most         an integer ≥ 0; no more are looked at
 * @returns the largest count from 0 to `most` with which the reported epsilon of all is at most the limit
 * @throws {RangeError} an argument is out of its range
 * @throws as `reportedEpsilon`
 */
export function stepsWithin({
  spent,
  event,
  epsilonLimit,
  delta,
  most,
}: {
  spent: DpEvent | null;
  event: DpEvent;
  epsilonLimit: number;
  delta: number;
  most: number;
}): number {
  if (!Number.isSafeInteger(most) || most < 0) {
    throw new RangeError(`most must be an integer of at least 0, got ${most}`);
  }
  if (!(epsilonLimit >= 0)) throw new RangeError(`epsilonLimit must be at least 0, got ${epsilonLimit}`);
  const after = (count: number): DpEvent => {
    const further: DpEvent = { type: 'self-composed', event, count };
    return spent === null ? further : { type: 'composed', events: [spent, further] };
  };
  const reported = (count: number) => reportedEpsilon(after(count), delta).epsilon;
  if (most === 0 || epsilonLimit === Infinity || reported(most) <= epsilonLimit) return most;
  if (reported(0) > epsilonLimit) return 0;
  let within = 0;
  let beyond = most;
  while (beyond - within > 1) {
    const middle = Math.floor((within + beyond) / 2);
    if (rdpEpsilon(after(middle), delta) <= epsilonLimit) within = middle;
    else beyond = middle;
  }
  // So many suffice by Rényi accounting, which asks for too much; mostly it is not far.
  for (beyond = within; ; within = beyond) {
    beyond = Math.min(most, Math.ceil(1.25 * beyond) + 1);
    if (beyond === most || reported(beyond) > epsilonLimit) break;
  }
  return boundary(reported, epsilonLimit, within, beyond);
}

/** As `noiseMultiplierFor`, by Rényi accounting alone, in units of the grid; null when none suffices. */
function smallestByRdp(
  eventOf: (noiseMultiplier: number) => DpEvent,
  targetEpsilon: number,
  targetDelta: number,
): number | null {
  const reaches = (units: number) => rdpEpsilon(eventOf(units / GRID), targetDelta) <= targetEpsilon;
  if (reaches(SMALLEST)) return SMALLEST;
  let tooSmall = SMALLEST;
  let enough = GRID;
  while (!reaches(enough)) {
    tooSmall = enough;
    enough *= 2;
    if (enough > LARGEST) return null;
  }
  // A percent is near enough to start from.
  while (enough - tooSmall > Math.max(1, enough / 100)) {
    const middle = Math.floor((tooSmall + enough) / 2);
    if (reaches(middle)) enough = middle;
    else tooSmall = middle;
  }
  return enough;
}

/**
 * The last integer, on the way from `inside` to `outside`, at which a monotone f is at most the level; its neighbour was
 * looked at too. Evaluations of f are dear and f is smooth, so the next place to look at is where a straight line
 * through (x, log f) at both ends crosses the level; an end that stays gets half its weight (the Illinois rule).
 * @param inside  f is at most the level here
 * @param outside f is over the level here
 */
function boundary(f: (x: number) => number, level: number, inside: number, outside: number): number {
  const heightOf = (value: number) => Math.log(Math.max(value, 1e-300) / Math.max(level, 1e-300));
  let inner = heightOf(f(inside));
  let outer = heightOf(f(outside));
  let last: 'inside' | 'outside' | null = null;
  for (let i = 1; Math.abs(outside - inside) > 1; i++) {
    // Every fourth step halves the bracket, whatever f looks like.
    const part = i % 4 === 0 || !(inner < 0 && outer < Infinity) ? 0.5 : inner / (inner - outer);
    const gap = Math.abs(outside - inside);
    const x = inside + Math.sign(outside - inside) * Math.min(Math.max(1, Math.round(part * gap)), gap - 1);
    const value = f(x);
    if (value <= level) {
      inside = x;
      inner = heightOf(value);
      if (last === 'inside') outer /= 2;
      last = 'inside';
    } else {
      outside = x;
      outer = heightOf(value);
      if (last === 'outside') inner /= 2;
      last = 'outside';
    }
  }
  return inside;
}
