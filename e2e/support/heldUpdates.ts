import { Buffer } from 'node:buffer';
import type { Page } from '@playwright/test';

/**
 * Stands between a tab and its server and notes every update that the tab sends, byte for byte. The updates do not
 * arrive, as on a bad network, until `deliver` or `lose` is called; later ones go straight through.
 */
export class HeldUpdates {
  /** The binary frames the tab sent, in order: each is one encoded update. */
  readonly updates: Buffer[] = [];
  #held: (() => void)[] | null = [];

  /** To be called before the page is opened. */
  static async on(page: Page): Promise<HeldUpdates> {
    const held = new HeldUpdates();
    await page.routeWebSocket(/\/socket\.io\//, (socket) => {
      const server = socket.connectToServer();
      // socket.io sends a binary message as a text frame that announces it, then the bytes
      socket.onMessage((message) => {
        const isUpdate = typeof message !== 'string' || message.includes('["update"');
        if (typeof message !== 'string') held.updates.push(Buffer.from(message));
        if (isUpdate && held.#held !== null) held.#held.push(() => server.send(message));
        else server.send(message);
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

  /** What was held never arrives. */
  lose(): void {
    this.#held = null;
  }
}
