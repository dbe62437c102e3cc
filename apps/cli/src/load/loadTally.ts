import type { Fault } from './faults.ts';
import { FAULTS } from './faults.ts';

/** How updates were answered. Times are milliseconds. */
export type LoadReport = {
  updates: {
    /** Outcome → how many: accepted, duplicate, or the code of the refusal. */
    outcomes: Record<string, number>;
    uplinkBytes: number;
    downlinkBytes: number;
    /** From the offer of an update to the answer that settles it. */
    acknowledgementMs: { p50: number; p99: number; max: number } | null;
  };
  refusedConnections: Record<string, number>;
  injectedFaults: Record<Fault, number>;
  /** What no correct server does; empty when all is well. */
  violations: string[];
};

const MOST_VIOLATIONS = 20;

/** Counts what the synthetic contributors of one load run see. */
export class LoadTally {
  readonly #outcomes = new Map<string, number>();
  readonly #refused = new Map<string, number>();
  readonly #injected = new Map<Fault, number>();
  readonly #violations: string[] = [];
  readonly #acknowledgementMs: number[] = [];
  #uplinkBytes = 0;
  #downlinkBytes = 0;

  answered(outcome: string, payloadBytes: number, elapsedMs: number): void {
    count(this.#outcomes, outcome);
    this.#uplinkBytes += payloadBytes;
    this.#acknowledgementMs.push(elapsedMs);
  }

  received(adapterBytes: number): void {
    this.#downlinkBytes += adapterBytes;
  }

  refusedConnection(code: string): void {
    count(this.#refused, code);
  }

  injected(fault: Fault): void {
    count(this.#injected, fault);
  }

  violation(what: string): void {
    if (this.#violations.length < MOST_VIOLATIONS) this.#violations.push(what);
  }

  report(): LoadReport {
    const sorted = this.#acknowledgementMs.toSorted((a, b) => a - b);
    return {
      updates: {
        outcomes: Object.fromEntries(this.#outcomes),
        uplinkBytes: this.#uplinkBytes,
        downlinkBytes: this.#downlinkBytes,
        acknowledgementMs:
          sorted.length === 0
            ? null
            : { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), max: sorted.at(-1)! },
      },
      refusedConnections: Object.fromEntries(this.#refused),
      injectedFaults: Object.fromEntries(
        FAULTS.map((fault) => [fault, this.#injected.get(fault) ?? 0]),
      ) as LoadReport['injectedFaults'],
      violations: this.#violations,
    };
  }
}

/**
 * The smallest value that is not under a fraction of all of them.
 * @param sorted ascending, at least one
 */
export function quantile(sorted: readonly number[], fraction: number): number {
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)]!;
}

function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
