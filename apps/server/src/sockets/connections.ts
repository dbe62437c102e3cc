import type { Socket } from 'socket.io';
import type { Access } from '../access/access.ts';
import { OpenConnections } from '../access/openConnections.ts';
import { TokenBucket } from '../access/tokenBucket.ts';
import { SLOW_BYTES_PER_MS } from './transferSlots.ts';
import { sizeOf, terminate, unreadBytes } from './transport.ts';

/** The WebSocket under a socket.io socket. */
export type Connection = Socket['conn'];

/** A packet of engine.io as it came in: text, or the bytes of one attachment. */
type Packet = { type: string; data?: unknown };

/** How many times the limit of events a connection may send before it is cut instead of answered. */
const GROSS_FACTOR = 10;
/** Attachments in a row: an update has one. socket.io itself would keep ten of the largest size. */
const MOST_ATTACHMENTS = 1;
/** How long a client has to answer that its connection ends; ws itself would wait for half a minute. */
const CLOSING_MS = 1_000;
/** How often connections are looked at that do not read what they are sent, or are silent. */
const SWEEP_MS = 5_000;

export type ConnectionsOptions = {
  access: Access;
  /** Size of the largest part of a message, in either direction. */
  largestMessageBytes: number;
  /** How long nothing at all may come on a connection that is sent little. */
  silenceMs: number;
};

/** What a connection was like at the last look. */
type Look = {
  bytesRead: number;
  bytesWritten: number;
  /** Until when a slow line is busy with what it was sent: a ping behind it arrives then. */
  busyUntilMs: number;
  /** Until when something has to come. */
  dueMs: number;
};

/**
 * Watches what every WebSocket sends and reads, below the level of events: how many there are of an address, bytes and
 * packets per time, what waits for a client that does not read, and who is silent. What is too much ends the connection.
 */
export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #open: OpenConnections;
  readonly #taken = new WeakSet<Connection>();
  readonly #all = new Map<Connection, Look>();
  readonly #sweep: NodeJS.Timeout;

  constructor(options: ConnectionsOptions) {
    const { connections, connectionsPerAddress } = options.access.limits;
    this.#options = options;
    this.#open = new OpenConnections({ perAddress: connectionsPerAddress, inAll: connections });
    this.#sweep = setInterval(
      () => {
        for (const [connection, look] of this.#all) {
          if (!this.cutUnread(connection)) this.#cutSilent(connection, look);
        }
      },
      Math.min(SWEEP_MS, options.silenceMs / 5),
    ).unref();
  }

  close(): void {
    clearInterval(this.#sweep);
  }

  /** Whether an address may open one more. */
  hasRoom(address: string): boolean {
    return this.#open.hasRoom(address);
  }

  /** Takes a connection in as it opens. */
  watch(connection: Connection): void {
    const { access, largestMessageBytes } = this.#options;
    const { bytesPerMinute, messagesPerSecond } = access.limits;
    const ended = this.#open.add(access.addressOf(connection.request));
    this.#all.set(connection, this.#firstLook(connection));
    connection.once('close', () => {
      setTimeout(() => terminate(connection), CLOSING_MS).unref();
      this.#all.delete(connection);
      ended();
    });

    const bytes = new TokenBucket(bytesRule(bytesPerMinute, largestMessageBytes), access.now());
    const packets = new TokenBucket(
      { capacity: GROSS_FACTOR * 10 * messagesPerSecond, perSecond: GROSS_FACTOR * messagesPerSecond },
      access.now(),
    );
    let attachments = 0;
    connection.on('packet', ({ type, data }: Packet) => {
      const nowMs = access.now();
      if (type === 'message') attachments = typeof data === 'string' ? 0 : attachments + 1;
      if (attachments <= MOST_ATTACHMENTS && packets.take(nowMs) && bytes.take(nowMs, sizeOf(data))) {
        return;
      }
      this.#cut(connection);
    });
  }

  /**
   * Says that a socket belongs to this connection from now on; a connection carries one, once.
   * @returns false when it has had one
   */
  claim(connection: Connection): boolean {
    if (this.#taken.has(connection)) return false;
    this.#taken.add(connection);
    return true;
  }

  /** Ends a connection for which too much waits. @returns whether it did */
  cutUnread(connection: Connection): boolean {
    if (unreadBytes(connection) <= this.#unreadLimit()) return false;
    this.#cut(connection);
    return true;
  }

  #firstLook({ request: { socket } }: Connection): Look {
    const { bytesRead, bytesWritten } = socket;
    const nowMs = performance.now();
    return { bytesRead, bytesWritten, busyUntilMs: nowMs, dueMs: nowMs + this.#options.silenceMs };
  }

  /**
   * Ends a connection on which nothing came for long. Any byte is a sign of life: a pong waits behind the update that is
   * being sent, and our ping behind what is being read.
   */
  #cutSilent(connection: Connection, look: Look): void {
    const { bytesRead, bytesWritten } = connection.request.socket;
    const nowMs = performance.now();
    const sendingMs = (bytesWritten - look.bytesWritten) / SLOW_BYTES_PER_MS;
    look.busyUntilMs = Math.max(look.busyUntilMs, nowMs) + sendingMs;
    look.dueMs =
      bytesRead === look.bytesRead ? look.dueMs + sendingMs : look.busyUntilMs + this.#options.silenceMs;
    look.bytesRead = bytesRead;
    look.bytesWritten = bytesWritten;
    if (nowMs <= look.dueMs) return;
    connection.close(true);
    terminate(connection);
  }

  #cut(connection: Connection): void {
    this.#options.access.observer.refused('connection', 'RATE_LIMITED');
    connection.close(true);
    // The closing handshake would wait half a minute for a client that does not read, with all that is buffered
    terminate(connection);
  }

  /** Two rounds' adapters, and the small messages besides. */
  #unreadLimit(): number {
    return 2 * this.#options.largestMessageBytes + 4 * 2 ** 20;
  }
}

/** What an operator sets low must still let an honest tab deliver its updates. */
function bytesRule(bytesPerMinute: number, largestMessageBytes: number) {
  const perMinute = Math.max(bytesPerMinute, 8 * largestMessageBytes);
  return { capacity: perMinute, perSecond: perMinute / 60 };
}
