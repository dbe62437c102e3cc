import type { Browser, BrowserContextOptions } from '@playwright/test';
import { test as base, expect } from '@playwright/test';
import type { RunConfigInput } from '@chorale/protocol';
import { csvRows } from './runs.ts';
import type { Addresses } from './server.ts';
import { ServerUnderTest } from './server.ts';
import type { Tab } from './tab.ts';
import { openTab } from './tab.ts';

export { expect };

export type Serving = Addresses & {
  server: ServerUnderTest;
  /** The contributor page, computing on wasm. */ tabUrl: string;
};

export type Fixtures = {
  /** The public file that servers measure on. */
  testRows: string;
  /** Starts a server of the test's own; it is gone when the test ends. */
  serve: (config: RunConfigInput, environment?: NodeJS.ProcessEnv) => Promise<Serving>;
  /** Opens a tab in a browser profile of its own. A test in which a tab reports a problem fails. */
  newTab: (options?: BrowserContextOptions & { browser?: Browser }) => Promise<Tab>;
};

/** Playwright's `test` with servers and tabs that clean up after themselves. */
export const test = base.extend<Fixtures>({
  testRows: [csvRows(12), { option: true }],
  serve: async ({ testRows }, use) => {
    const servers: ServerUnderTest[] = [];
    await use(async (config, environment) => {
      const server = await ServerUnderTest.create(config, testRows, environment);
      servers.push(server);
      const addresses = await server.start();
      return { ...addresses, server, tabUrl: new URL('?backend=wasm', addresses.contributeUrl).href };
    });
    for (const server of servers) await server.dispose();
  },
  newTab: async ({ browser }, use) => {
    const tabs: Tab[] = [];
    await use(async ({ browser: other, ...options } = {}) => {
      const tab = await openTab(other ?? browser, options);
      tabs.push(tab);
      return tab;
    });
    for (const tab of tabs) await tab.page.context().close();
    expect(tabs.flatMap(({ problems }) => problems)).toEqual([]);
  },
});
