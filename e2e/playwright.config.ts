import { defineConfig } from '@playwright/test';
import { chromiumArgs, findChromium } from '@chorale/chromium';

// `npm test` has made sure that there is a Chromium; run alone, `npx playwright test` wants one installed.
const executablePath = findChromium();
if (executablePath === null)
  throw new Error('No Chromium: run "npm test", which installs one, or set $CHORALE_CHROMIUM.');

export default defineConfig({
  testDir: './tests',
  outputDir: './output',
  // Every test starts a server and up to three training tabs: more at once would only wait for each other
  workers: 1,
  timeout: 240_000,
  expect: { timeout: 30_000 },
  use: {
    launchOptions: { executablePath, args: chromiumArgs({ webgpu: 'swiftshader' }) },
    actionTimeout: 60_000,
  },
});
