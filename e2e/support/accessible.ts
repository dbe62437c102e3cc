import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect } from '@playwright/test';

const NARROW = { width: 360, height: 740 };
export const WIDE = { width: 1280, height: 900 };

/** What the page looks like now, wide and narrow, light and dark, has no fault that axe finds and fits its window. */
export async function expectAccessible(page: Page, where: string): Promise<void> {
  for (const viewport of [WIDE, NARROW]) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      // Even without motion a colour takes a frame to get to its new value
      await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)));
      const { violations, passes } = await new AxeBuilder({ page }).analyze();
      expect(passes.map(({ id }) => id)).toEqual(
        expect.arrayContaining(['color-contrast', 'document-title']),
      );
      const faults = violations.map(({ id, help, nodes }) => ({
        id,
        help,
        targets: nodes.map(({ target, failureSummary }) => [target.join(' '), failureSummary]),
      }));
      expect(faults, `${where}, ${colorScheme}, ${viewport.width} px`).toEqual([]);
    }
    await expectNoHorizontalScrolling(page, where);
  }
}

async function expectNoHorizontalScrolling(page: Page, where: string): Promise<void> {
  // Charts follow a new width a moment later
  const overflow = () =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  await expect.poll(overflow, { message: `${where}: wider than the window` }).toBe(0);
}
