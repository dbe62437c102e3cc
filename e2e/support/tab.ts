import { Buffer } from 'node:buffer';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from '@playwright/test';
import { expect } from '@playwright/test';

/** Problems a page reported; every test ends by expecting none. */
export type Tab = { page: Page; problems: string[] };

/** Opens a page with a profile of its own, as another person's browser, and notes what goes wrong in it. */
export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Tab> {
  return await openTabIn(await browser.newContext(options));
}

/** Opens a tab in a profile that is there already, as the same person would. */
export async function openTabIn(context: BrowserContext): Promise<Tab> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  return { page, problems };
}

/** Picks a file through the page. */
export async function chooseFile({ page }: Tab, name: string, contents: string | Uint8Array): Promise<void> {
  await page
    .getByLabel('Choose a file')
    .setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.from(contents) });
}

/** Picks a file and its suggested columns. */
export async function chooseRows(tab: Tab, csv: string): Promise<void> {
  await chooseFile(tab, 'rows.csv', csv);
  await tab.page.getByRole('button', { name: 'Use these rows' }).click();
}

/** Opens the page, picks a file, agrees and joins, through the page and as a person does. */
export async function contribute(tab: Tab, url: string, csv: string): Promise<void> {
  const { page } = tab;
  await page.goto(url);
  await chooseRows(tab, csv);
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(page.locator('[data-status]')).not.toHaveAttribute('data-status', 'not-joined');
}

/** The tab's state, by its stable name. */
export function statusOf({ page }: Tab) {
  return page.locator('[data-status]');
}
