import { basename } from 'node:path';
import type { Browser, Page } from 'playwright-core';

/**
 * What a demo tab does for its person: the very clicks, through the page and nothing else.
 * @param lose called when the page crashed or stopped taking part before the run ended
 */
export async function joinThroughPage(
  browser: Browser,
  contributeUrl: string,
  file: string,
  lose: (why: string) => void,
): Promise<Page> {
  // Its own profile, as another person's browser would have
  const context = await browser.newContext();
  const page = await context.newPage();
  page.on('pageerror', (error) =>
    process.stderr.write(`${basename(file)}: the page failed: ${error.message}\n`),
  );
  page.on('crash', () => lose(`${basename(file)}: the tab crashed`));
  await page.goto(contributeUrl);
  await page.getByLabel('Choose a file').setInputFiles(file);
  await page.getByRole('button', { name: 'Use these rows' }).click();
  const consent = page.getByLabel('I have read what leaves my device');
  await consent.check({ timeout: 120_000 });
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();
  return page;
}

/** The backend a tab chose, as its page says. */
export async function backendOf(page: Page): Promise<string> {
  return (await page.locator('[data-backend]').getAttribute('data-backend')) ?? 'unknown';
}
