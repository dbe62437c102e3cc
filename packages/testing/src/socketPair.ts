type Side = 'client' | 'server';
type InTransit<Message> = { message: Message } | 'closed';

/** One end of a connection, as its owner sees it. */
export type SocketEnd<Sends, Receives> = {
  /** False once its owner closed it or heard that it is closed. */
  readonly isOpen: boolean;
  onMessage: (message: Receives) => void;
  /** The other end closed, or the line was cut; not called for `close` of this end. */
  onClose: () => void;
  /** Into the line; lost without a word when the line is cut before it arrives, or this end is closed. */
  send: (message: Sends) => void;
  close: () => void;
};

/**
 * A connection inside this process with nothing left to chance: messages stay in the line until the test delivers them,
 * each way in its order and as copies. The test decides how many arrive (`deliver`), and whether the line is cut, which
 * loses what is in it; either end hears of that only when the test delivers to it. With several pairs of one client, the
 * order between old and new connections is the test's as well.
 */
export type SocketPair<ToServer, ToClient> = {
  readonly client: SocketEnd<ToServer, ToClient>;
  readonly server: SocketEnd<ToClient, ToServer>;
  /** How many messages, or news of the end, are on their way to this side. */
  inTransit: (to: Side) => number;
  /** Lets the oldest of them arrive. @returns how many did; the owner's answers are in the line then, not delivered */
  deliver: (to: Side, atMost?: number) => number;
  /** Loses all that is in the line, both ways. */
  cut: () => void;
};

export function socketPair<ToServer, ToClient>(): SocketPair<ToServer, ToClient> {
  const toServer: InTransit<ToServer>[] = [];
  const toClient: InTransit<ToClient>[] = [];
  const client = new End<ToServer, ToClient>(toServer, toClient);
  const server = new End<ToClient, ToServer>(toClient, toServer);
  return {
    client,
    server,
    inTransit: (to) => (to === 'client' ? toClient : toServer).length,
    deliver: (to, atMost = Infinity) => (to === 'client' ? client : server).take(atMost),
    cut() {
      for (const line of [toServer, toClient]) line.splice(0, Infinity, 'closed');
    },
  };
}

class End<Sends, Receives> implements SocketEnd<Sends, Receives> {
  isOpen = true;
  onMessage: (message: Receives) => void = () => undefined;
  onClose: () => void = () => undefined;
  readonly #out: InTransit<Sends>[];
  readonly #in: InTransit<Receives>[];

  constructor(out: InTransit<Sends>[], incoming: InTransit<Receives>[]) {
    this.#out = out;
    this.#in = incoming;
  }

  send(message: Sends): void {
    // Behind the news of the end nothing arrives any more.
    if (this.isOpen && this.#out.at(-1) !== 'closed') this.#out.push({ message: structuredClone(message) });
  }

  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#in.length = 0;
    if (this.#out.at(-1) !== 'closed') this.#out.push('closed');
  }

  take(atMost: number): number {
    let taken = 0;
    while (taken < atMost && this.#in.length > 0) {
      const next = this.#in.shift()!;
      taken++;
      if (!this.isOpen) continue;
      if (next === 'closed') {
        this.isOpen = false;
        this.onClose();
      } else {
        this.onMessage(next.message);
      }
    }
    return taken;
  }
}
