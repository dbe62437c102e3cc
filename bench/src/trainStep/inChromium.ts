import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '@chorale/chromium';
import { build, preview } from 'vite';
import type { Measured } from './measure.ts';
import type { Backend, StepShape } from './shapes.ts';

/** Shaders of a large model are compiled one after another by a software GPU. */
const TIMEOUT_MS = 30 * 60_000;

/** What a page in a headless Chromium measures, on a GPU that is emulated in software. */
export async function measureInChromium(
  tasks: readonly { backend: Backend; shape: StepShape }[],
  onMeasured: (backend: Backend, measured: Measured) => void,
): Promise<string> {
  const outDir = mkdtempSync(join(tmpdir(), 'chorale-train-step-'));
  const root = import.meta.dirname;
  const common = { root, configFile: false, logLevel: 'error' } as const;
  await build({
    ...common,
    build: {
      outDir,
      emptyOutDir: true,
      target: 'esnext',
      rolldownOptions: { input: join(root, 'page.html') },
    },
  });
  const server = await preview({ ...common, build: { outDir }, preview: { port: 0, host: '127.0.0.1' } });
  const browser = await launchChromium({ webgpu: 'swiftshader' });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(TIMEOUT_MS);
    for (const { backend, shape } of tasks) {
      // A fresh page: a backend's buffers are only freed with it
      await page.goto(`${server.resolvedUrls!.local[0]!}page.html`);
      await page.waitForFunction(() => 'measure' in window);
      onMeasured(backend, await page.evaluate(([b, s]) => window.measure(b, s), [backend, shape] as const));
    }
    return browser.version();
  } finally {
    await browser.close();
    await server.close();
    rmSync(outDir, { recursive: true });
  }
}
