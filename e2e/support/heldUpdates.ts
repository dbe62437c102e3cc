import { Buffer } from 'node:buffer';
import type { Page } from '@playwright/test';

/**
 * Stands between a tab and its server and notes every update that the tab sends, byte for byte. The updates do not
 * arrive, as on a bad network, until `deliver` or `lose` is called; later ones go straight through.
 */
export class HeldUpdates {
  /** The binary frames the tab sent, in order: each is one encoded update. */
  readonly updates: Buffer[] = [];
  /** SHA-256 of what the tab offered to send, in order; offers go through. */
  readonly offers: string[] = [];
  #held: (() => void)[] | null = [];
  #answersLost = false;

  /** To be called before the page is opened. */
  static async on(page: Page): Promise<HeldUpdates> {
    const held = new HeldUpdates();
    await page.routeWebSocket(/\/socket\.io\//, (socket) => {
      const server = socket.connectToServer();
      // How socket.io numbers what it wants answered, on this connection
      const updateNumbers = new Set<string>();
      // socket.io sends a binary message as a text frame that announces it, then the bytes
      socket.onMessage((message) => {
        const offered =
          typeof message === 'string' ? /\["offer",.*"sha256":"(\w+)"/.exec(message)?.[1] : undefined;
        if (offered !== undefined) held.offers.push(offered);
        const isUpdate = typeof message !== 'string' || message.includes('["update"');
        if (typeof message !== 'string') held.updates.push(Buffer.from(message));
        else if (isUpdate) updateNumbers.add(/,(\d+)\[/.exec(message)![1]!);
        if (isUpdate && held.#held !== null) held.#held.push(() => server.send(message));
        else server.send(message);
      });
      server.onMessage((message) => {
        // 4 for a message of socket.io, 3 for an answer
        const answered = typeof message === 'string' ? /^43[^,]*,(\d+)\[/.exec(message)?.[1] : undefined;
        const isAnswer = answered !== undefined && updateNumbers.has(answered);
        if (!(isAnswer && held.#answersLost)) socket.send(message);
      });
    });
    return held;
  }

  /** What was held arrives after all. */
  deliver(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const send of held) send();
  }

  /** From now on no answer to an update gets through, until it is called with false. */
  loseAnswers(lost = true): void {
    this.#answersLost = lost;
  }

  /** What was held never arrives. */
  lose(): void {
    this.#held = null;
  }
}
