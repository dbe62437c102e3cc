import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

const STEP_MS = 20;

/** A line to a server: a TCP proxy that lets so many bytes through a second, each way, until it is dead. */
export class SlowLine {
  readonly #port: number;
  readonly #bytesPerStep: number;
  readonly #server = createServer((near) => this.#carry(near));
  readonly #sockets = new Set<Socket>();
  #dead = false;

  constructor(port: number, bytesPerSecond: number) {
    this.#port = port;
    this.#bytesPerStep = (bytesPerSecond * STEP_MS) / 1000;
  }

  /** @returns where it is entered, as "http://127.0.0.1:…" */
  async open(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Nothing comes through any more, in either direction, and neither end hears of it. */
  die(): void {
    this.#dead = true;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #carry(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1');
    const stops = [this.#pour(near, far), this.#pour(far, near)];
    for (const socket of [near, far]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        for (const stop of stops) stop();
        this.#sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  }

  /** Takes no more from `from` than goes on to `to`, so that what is behind waits where it was sent. */
  #pour(from: Socket, to: Socket): () => void {
    from.pause();
    const waiting: Buffer[] = [];
    from.on('data', (bytes: Buffer) => {
      waiting.push(bytes);
      from.pause();
    });
    const timer = setInterval(() => {
      if (this.#dead) return;
      for (let left = this.#bytesPerStep; left > 0 && waiting.length > 0;) {
        const bytes = waiting.shift()!;
        to.write(bytes.subarray(0, left));
        if (bytes.length > left) waiting.unshift(bytes.subarray(left));
        left -= bytes.length;
      }
      if (waiting.length === 0) from.resume();
    }, STEP_MS);
    return () => clearInterval(timer);
  }
}
