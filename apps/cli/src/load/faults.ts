import { ChoraleError } from '@chorale/protocol';
import { RandomStream } from '@chorale/simulation';

/** How often each thing goes wrong on purpose: probabilities from 0 to 1, each by itself, of one update of one contributor. */
export type FaultRates = {
  /** The connection is cut before the update is sent; the same bytes follow on the next one. */
  drop: number;
  /** The update waits up to `DELAY_MS` longer than it must. */
  delay: number;
  /** The same bytes are sent once more after they were acknowledged. */
  duplicate: number;
  /** A broken copy is sent first: the server must refuse it. */
  corrupt: number;
};

export type Fault = keyof FaultRates;

export const FAULTS: readonly Fault[] = ['drop', 'delay', 'duplicate', 'corrupt'];
export const NO_FAULTS: FaultRates = { drop: 0, delay: 0, duplicate: 0, corrupt: 0 };
export const DELAY_MS = 2_000;

/**
 * @param text `drop=0.02,delay=0.1`: what is not named does not happen
 * @throws {ChoraleError} CONFIG_INVALID
 */
export function parseFaults(text: string): FaultRates {
  const rates = { ...NO_FAULTS };
  for (const part of text.split(',').filter((one) => one !== '')) {
    const [name, value] = part.split('=');
    const fault = FAULTS.find((known) => known === name);
    const rate = Number(value);
    if (fault === undefined || value === undefined || value === '' || !(rate >= 0 && rate <= 1)) {
      throw new ChoraleError(
        'CONFIG_INVALID',
        `--faults: expected NAME=RATE with a name out of ${FAULTS.join(', ')} and a rate from 0 to 1, got "${part}"`,
      );
    }
    rates[fault] = rate;
  }
  return rates;
}

/** Repeatable choices of one contributor. */
export class FaultChoice {
  readonly #rates: FaultRates;
  readonly #random: RandomStream;

  constructor(rates: FaultRates, seed: number, contributor: number) {
    this.#rates = rates;
    this.#random = new RandomStream(seed, `load faults of contributor ${contributor}`);
  }

  happens(fault: Fault): boolean {
    return this.#random.uniform() < this.#rates[fault];
  }

  delayMs(): number {
    return this.#random.below(DELAY_MS);
  }

  /** A copy of an update that nobody may take for one: cut short, of another plan, or with a value that is none. */
  corrupted(payload: Uint8Array): Uint8Array {
    const copy = payload.slice();
    switch (this.#random.below(3)) {
      case 0:
        return copy.subarray(0, copy.length - 1 - this.#random.below(8));
      case 1:
        copy[PLAN_HASH_OFFSET + this.#random.below(32)]! ^= 1 + this.#random.below(255);
        return copy;
      default:
        copy[this.#random.below(4)]! ^= 1 + this.#random.below(255); // the magic number
        return copy;
    }
  }
}

/** Where the hash of the plan stands in an update (docs/protocol.md). */
const PLAN_HASH_OFFSET = 24;
