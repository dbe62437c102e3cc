import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import { launchChromium } from '@chorale/chromium';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SimulatedRound } from '../seedState.ts';
import { parseSimulationConfig } from '../simulationConfig.ts';
import { summarize } from '../summary.ts';
import { smallConfig } from '../testing/smallSimulation.ts';
import { reportPage } from './reportPage.ts';

const ROUNDS = 30;

/** Rounds with made-up numbers; one that is not tested among them. */
function roundsOf(seed: number, isPrivate: boolean): SimulatedRound[] {
  return Array.from({ length: ROUNDS }, (_, i) => ({
    round: i + 1,
    testAccuracy: i === 3 ? null : 0.5 + 0.3 * (1 - Math.exp(-i / 8)) + 0.01 * seed,
    testLoss: i === 3 ? null : 0.7 - 0.2 * (1 - Math.exp(-i / 8)) - 0.01 * seed,
    epsilon: isPrivate ? Number((1 + 0.1 * i).toFixed(3)) : null,
    uplinkBytesPerClient: 17_496,
    aggregationError: 1e-8 * (seed + i),
    seconds: 1.25,
    cohort: [1, 3],
  }));
}

function pageOf(
  seeds: readonly number[],
  change: Parameters<typeof smallConfig>[0] = {},
  name = 'Ein <b>Name</b> & mehr',
): string {
  const config = smallConfig({
    name,
    rounds: { count: ROUNDS, cohortSize: 2, minimumUpdates: 2 },
    ...change,
  });
  const isPrivate = config.privacy.unit !== 'none';
  const inputs = {
    ...parseSimulationConfig(config, 'run.json'),
    files: new Map<string, Uint8Array>(),
    trainRows: [],
    testRows: [],
    hashes: { model: 'a'.repeat(64), train: 'b'.repeat(64), test: null },
  };
  const results = seeds.map((seed) => ({
    seed,
    initial: { accuracy: 0.5, loss: 0.7 },
    rounds: roundsOf(seed, isPrivate),
    parameterCount: 82,
    clients: [
      { labelCounts: [30, 10], roundsTaken: ROUNDS },
      { labelCounts: [10, 30], roundsTaken: 0 },
      { labelCounts: [20, 20], roundsTaken: ROUNDS },
    ],
  }));
  const summary = summarize(inputs, results, {
    backend: 'wasm',
    workers: 2,
    command: 'npm run chorale -- simulate --config "a b/run.json" --out out',
    noiseMultiplier: isPrivate ? 1.25 : 0,
  });
  return reportPage(summary, new Map(results.map(({ seed, rounds }) => [seed, rounds])));
}

describe('the markup', () => {
  test('needs nothing from elsewhere and runs nothing', () => {
    const page = pageOf([1, 2]);
    expect(page).not.toMatch(/<script|<link|<img|<iframe|@import|url\(|\son\w+=/i);
    expect(page.match(/https?:\/\//g)).toBeNull();
  });

  test('texts of the config are texts', () => {
    const page = pageOf([1]);
    expect(page).toContain('Ein &lt;b&gt;Name&lt;/b&gt; &amp; mehr');
    expect(page).not.toContain('<b>Name');
    expect(page).toContain('--config &quot;a b/run.json&quot;');
  });
});

describe('in a browser', () => {
  let browser: Browser;
  let page: Page;
  let place = '';
  const requests: string[] = [];
  beforeAll(async () => {
    place = mkdtempSync(join(tmpdir(), 'chorale-report-'));
    browser = await launchChromium({ webgpu: 'off' });
    page = await (await browser.newContext()).newPage(); // axe wants a context of its own
    page.on('request', (request) => void requests.push(request.url()));
  });
  afterAll(async () => {
    await browser.close();
    rmSync(place, { recursive: true });
  });

  async function open(html: string): Promise<void> {
    const path = join(place, 'report.html');
    writeFileSync(path, html);
    await page.goto(pathToFileURL(path).href);
  }

  test.each([
    ['three seeds with privacy', [1, 2, 3], {}],
    ['one seed without', [1], { privacy: { unit: 'none' } }],
    ['more seeds than looks of lines', [1, 2, 3, 4, 5, 6, 7, 8], {}],
  ] as const)(
    '%s: no fault that axe finds, nothing wider than the window',
    async (_, seeds, change) => {
      await open(pageOf(seeds, change));
      await page.getByText(`All rounds of seed 1`).click();
      for (const [width, colorScheme] of [
        [1280, 'light'],
        [360, 'dark'],
      ] as const) {
        await page.setViewportSize({ width, height: 800 });
        await page.emulateMedia({ colorScheme });
        const { violations, passes } = await new AxeBuilder({ page }).analyze();
        expect(passes.map(({ id }) => id)).toContain('color-contrast');
        expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        expect(overflow).toBe(0);
      }
    },
    120_000,
  );

  test('charts: one line a seed and the mean, each through its points', async () => {
    await open(pageOf([1, 2, 3]));
    const charts = page.getByRole('img');
    expect(await charts.count()).toBe(4);
    expect(await charts.first().getAttribute('aria-label')).toMatch(
      /^Test accuracy by round\. mean: from 50\.0 % in round 0 to 81\.\d % in round 30\./,
    );
    const paths = await charts
      .first()
      .locator('path')
      .evaluateAll((nodes) => nodes.map((node) => node.getAttribute('d')!));
    expect(paths).toHaveLength(4);
    // 30 rounds less the one that was not tested, and the start
    expect(paths.map((path) => path.split(/[ML]/).length - 1)).toEqual([30, 30, 30, 30]);
    expect(requests.filter((url) => !url.startsWith('file:'))).toEqual([]);
  });

  test('without privacy there is no epsilon to draw', async () => {
    await open(pageOf([1], { privacy: { unit: 'none' } }));
    expect(await page.getByRole('img').count()).toBe(3);
    expect(await page.getByText('no privacy protection').count()).toBe(1);
  });

  test('the tables hold every round, every client and the whole configuration', async () => {
    await open(pageOf([4]));
    await page.getByText('All rounds of seed 4').click();
    const rounds = page.getByRole('table', { name: 'Rounds of seed 4' });
    expect(await rounds.getByRole('row').count()).toBe(ROUNDS + 1);
    expect(await rounds.getByRole('row').nth(4).innerText()).toMatch(/^4\s+–\s+–\s+1\.3\s/);
    const clients = page.getByRole('table', { name: 'Clients of seed 4' });
    expect(await clients.getByRole('row').nth(1).innerText()).toMatch(/^1\s+40\s+30\s+10\s+30\s+10$/);
    const config = JSON.parse(await page.locator('[aria-label="Configuration"] pre').innerText()) as object;
    expect(config).toMatchObject({ rounds: { count: ROUNDS }, simulation: { split: { kind: 'dirichlet' } } });
  });
});
