import type { CDPSession, Page } from '@playwright/test';
import type { Tab } from './tab.ts';

/** The browser's own network, cut and mended. */
export class Network {
  readonly #cdp: CDPSession;

  private constructor(cdp: CDPSession) {
    this.#cdp = cdp;
  }

  static async of(page: Page): Promise<Network> {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Network.enable');
    return new Network(cdp);
  }

  async cut(offline = true): Promise<void> {
    const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
    await this.#cdp.send('Network.emulateNetworkConditions', { offline, ...unlimited });
  }

  mend(): Promise<void> {
    return this.cut(false);
  }
}

/** What a browser notes of a network that is gone is no fault of the page. */
export function forgiveLostNetwork(tab: Tab): void {
  tab.problems = tab.problems.filter((problem) => !/net::ERR_|WebSocket connection to/.test(problem));
}
