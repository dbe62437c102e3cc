import { Buffer } from 'node:buffer';
import type { Browser, Page } from '@playwright/test';
import { expect } from '@playwright/test';

/** Problems a page reported; every test ends by expecting none. */
export type Tab = { page: Page; problems: string[] };

/** Opens a page with a profile of its own, as another person's browser, and notes what goes wrong in it. */
export async function openTab(browser: Browser): Promise<Tab> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(`console: ${message.text()}`);
  });
  return { page, problems };
}

/** Picks a file, agrees and joins, through the page and as a person does. */
export async function contribute({ page }: Tab, url: string, csv: string): Promise<void> {
  await page.goto(url);
  await page
    .getByLabel('Choose a file')
    .setInputFiles({ name: 'rows.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  await expect(page.locator('[data-status]')).not.toHaveAttribute('data-status', 'not-joined');
}

/** The tab's state, by its stable name. */
export function statusOf({ page }: Tab) {
  return page.locator('[data-status]');
}
