import { AccountingDomainError } from '../accounting/accountingDomainError.ts';
import { privacyProfile } from '../accounting/pldAccountant.ts';
import { RDP_ORDERS, rdpOfEvent } from '../accounting/rdpAccountant.ts';
import type { DpEvent } from '../events.ts';

/**
 * delta as a function of epsilon that holds for an event: from the privacy loss distribution, or from Rényi accounting
 * where that does not vouch for its numbers. Too large rather than too small, so an audit that holds observations against
 * it raises no false alarm.
 * @throws {TypeError | RangeError} as `privacyProfile`; the function: {RangeError} epsilon is under 0
 */
export function soundDelta(event: DpEvent): (epsilon: number) => number {
  const byRdp = deltaByRdp(event);
  try {
    const profile = privacyProfile(event);
    return (epsilon) => {
      try {
        return profile.delta(epsilon);
      } catch (error) {
        if (error instanceof AccountingDomainError) return byRdp(epsilon);
        throw error;
      }
    };
  } catch (error) {
    if (error instanceof AccountingDomainError) return byRdp;
    throw error;
  }
}

/** Canonne, Kamath, Steinke 2020, Proposition 12, solved for delta. */
function deltaByRdp(event: DpEvent): (epsilon: number) => number {
  const rdp = rdpOfEvent(event, RDP_ORDERS);
  return (epsilon) => {
    if (!(epsilon >= 0)) throw new RangeError(`epsilon must be at least 0, got ${epsilon}`);
    return RDP_ORDERS.reduce((least, order, i) => {
      const logDelta = (order - 1) * (rdp[i]! - epsilon + Math.log1p(-1 / order)) - Math.log(order);
      return Math.min(least, Math.exp(logDelta));
    }, 1);
  };
}
