import type { DpEvent } from '../events.ts';
import { AccountingDomainError } from './accountingDomainError.ts';
import { flattenEvent } from './flattenEvent.ts';
import { pldEpsilon } from './pldAccountant.ts';
import { rdpEpsilon } from './rdpAccountant.ts';

/** An epsilon with how it was found. */
export type ReportedEpsilon = {
  /** ≥ 0 or Infinity; never below the tight value (less 1e-6). Not rounded. */
  readonly epsilon: number;
  readonly accountant: 'pld' | 'rdp';
  /** Why it is not the tight accountant's, for people; null when it is. */
  readonly reason: string | null;
  /** What Rényi accounting gives: the cross-check, never smaller than `epsilon`. */
  readonly rdpEpsilon: number;
};

/** A page asks for the same few epsilons again and again: after 1, 2, 3 … rounds of one plan. */
const KEPT = 512;
const kept = new Map<string, ReportedEpsilon>();

/**
 * The epsilon that counts: that of the privacy loss distribution, within 0.2 % or 5e-4 of the tight value. Where this
 * accountant does not vouch for its number, or Rényi accounting proves a smaller one, it is that of Rényi accounting:
 * both are upper bounds, so the smaller one holds.
 * @param delta in (0, 1)
 * @throws {TypeError} the event holds a mechanism that is not known, or mixes privacy units
 * @throws {RangeError} a parameter of the event or delta is out of its range
 */
export function reportedEpsilon(event: DpEvent, delta: number): ReportedEpsilon {
  const { nonPrivate, mechanisms } = flattenEvent(event);
  const key = JSON.stringify([delta, nonPrivate, mechanisms]);
  const known = kept.get(key);
  if (known !== undefined) return known;
  const reported = Object.freeze(report(event, delta));
  if (kept.size === KEPT) kept.delete(kept.keys().next().value!);
  kept.set(key, reported);
  return reported;
}

function report(event: DpEvent, delta: number): ReportedEpsilon {
  const byRdp = rdpEpsilon(event, delta);
  let byPld: number;
  try {
    byPld = pldEpsilon(event, delta);
  } catch (error) {
    if (!(error instanceof AccountingDomainError)) throw error;
    const reason = `Rényi accounting, which is up to a third too high, because ${error.message}`;
    return { epsilon: byRdp, accountant: 'rdp', reason, rdpEpsilon: byRdp };
  }
  if (byPld <= byRdp) return { epsilon: byPld, accountant: 'pld', reason: null, rdpEpsilon: byRdp };
  const reason = `Rényi accounting, because it proves less than the ${byPld} of the privacy loss distribution`;
  return { epsilon: byRdp, accountant: 'rdp', reason, rdpEpsilon: byRdp };
}
