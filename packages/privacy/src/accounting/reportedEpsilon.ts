import type { DpEvent } from '../events.ts';
import { rdpEpsilon } from './rdpAccountant.ts';

/** An epsilon with how it was found. */
export type ReportedEpsilon = {
  /** ≥ 0 or Infinity; never below the tight value (less 1e-6). Not rounded. */
  epsilon: number;
  accountant: 'pld' | 'rdp';
  /** Why it is not the tight accountant's, for people; null when it is. */
  reason: string | null;
};

export function reportedEpsilon(event: DpEvent, delta: number): ReportedEpsilon {
  return { epsilon: rdpEpsilon(event, delta), accountant: 'rdp', reason: null };
}
