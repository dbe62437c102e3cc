import { limitKey, networkKey } from './clientAddress.ts';

/** So many times the connections of one address may come from one IPv6 /48, the network of one site. */
const NETWORK_FACTOR = 8;

export type OpenConnectionsLimits = { perAddress: number; inAll: number };

/** How many connections are open, in all and of each address. */
export class OpenConnections {
  readonly #limits: OpenConnectionsLimits;
  /** Address or network → its open connections; no key without one, so it is as small as the connections are few. */
  readonly #open = new Map<string, number>();
  #inAll = 0;

  constructor(limits: OpenConnectionsLimits) {
    this.#limits = limits;
  }

  /** Whether an address may open one more. */
  hasRoom(address: string): boolean {
    const { perAddress, inAll } = this.#limits;
    const network = networkKey(address);
    return (
      this.#inAll < inAll &&
      this.#of(limitKey(address)) < perAddress &&
      (network === null || this.#of(network) < NETWORK_FACTOR * perAddress)
    );
  }

  /** Takes one in. @returns what to call at its end, once */
  add(address: string): () => void {
    const keys = [limitKey(address), networkKey(address)].filter((key) => key !== null);
    this.#inAll += 1;
    for (const key of keys) this.#open.set(key, this.#of(key) + 1);
    return () => {
      this.#inAll -= 1;
      for (const key of keys) {
        if (this.#of(key) === 1) this.#open.delete(key);
        else this.#open.set(key, this.#of(key) - 1);
      }
    };
  }

  #of(key: string): number {
    return this.#open.get(key) ?? 0;
  }
}
