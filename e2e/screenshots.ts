import { mkdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Locator } from '@playwright/test';
import { launchChromium } from '@chorale/chromium';
import type { RunConfigInput } from '@chorale/protocol';
import { untilRun } from './support/runs.ts';
import { ServerUnderTest } from './support/server.ts';
import { contribute, openTab } from './support/tab.ts';

// The pictures of the README: a real run with three tabs on the sample rows, photographed in its sixth round.
//   npm run screenshots        (build the pages first)
const IMAGES = fileURLToPath(new URL('../docs/images/', import.meta.url));
const ASSETS = new URL('../assets/', import.meta.url);
const PHOTOGRAPHED_ROUND = 6;
const ADMIN_WIDTH = 1100;

const demo = JSON.parse(readFileSync(new URL('runs/demo.json', ASSETS), 'utf8')) as RunConfigInput;
const sample = (name: string) => readFileSync(new URL(`samples/${name}`, ASSETS), 'utf8');

mkdirSync(IMAGES, { recursive: true });
const { evaluation: _, ...config } = demo;
const server = await ServerUnderTest.create(config, sample('test.csv'));
const browser = await launchChromium({ webgpu: 'off' });
try {
  const { contributeUrl, adminUrl } = await server.start();
  const tabs = await Promise.all([1, 2, 3].map(() => openTab(browser)));
  for (const [i, tab] of tabs.entries()) {
    await tab.page.setViewportSize({ width: 820, height: 900 });
    await contribute(tab, contributeUrl, sample(`contributor-${i + 1}.csv`));
  }
  const admin = await openTab(browser);
  await admin.page.setViewportSize({ width: ADMIN_WIDTH, height: 900 });
  await admin.page.goto(adminUrl);
  await admin.page.getByRole('link', { name: config.name }).first().click();
  await untilRun(
    contributeUrl,
    ({ state }) => state.round >= PHOTOGRAPHED_ROUND && state.status === 'training',
  );

  const contributor = tabs[0]!.page;
  // The card round a section, with its margin
  const card = (section: Locator) => section.locator('..');
  await card(contributor.locator('[data-status]')).screenshot({ path: `${IMAGES}contributor-training.png` });
  await card(contributor.getByRole('region', { name: /What leaves/ })).screenshot({
    path: `${IMAGES}contributor-privacy.png`,
  });
  const clip = { x: 0, y: 0, width: ADMIN_WIDTH, height: 1180 };
  await admin.page.screenshot({ path: `${IMAGES}admin.png`, fullPage: true, clip });
} finally {
  await browser.close();
  await server.dispose();
}
