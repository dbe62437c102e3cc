import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { stripTypeScriptTypes } from 'node:module';
import { launchChromium } from '@chorale/chromium';
import type { Timings } from './timings.ts';

export type InBrowser = Timings & {
  browser: string;
  /** Longest time between two ticks of a 10 ms timer on the page: while the worker counted, and as long before that. */
  pageLongestGapMs: { whileWorking: number; idle: number };
};

const ROOT = new URL('../../../', import.meta.url);
/** Bare names do not resolve in a browser. */
const PACKAGE = '@chorale/privacy';
const PACKAGE_PATH = '/packages/privacy/src/index.ts';

/** Times the accountants in a worker of a real Chromium, and how the page beside it keeps up. */
export async function timeInBrowser(runs: number): Promise<InBrowser> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (pathname === '/') {
      response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>accounting</title>');
      return;
    }
    sourceOf(pathname)
      .then((code) => response.setHeader('Content-Type', 'text/javascript').end(code))
      .catch(() => response.writeHead(404).end());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const browser = await launchChromium({ webgpu: 'off' });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const measured = await page.evaluate(measureOnPage, runs);
    return { browser: `Chromium ${browser.version()}`, ...measured };
  } finally {
    await browser.close();
    server.close();
  }
}

/** One of our sources as a browser can run it: types are stripped, nothing is bundled. */
async function sourceOf(pathname: string): Promise<string> {
  if (!/^\/(packages\/privacy|bench)\/src\/[\w/]+\.ts$/.test(pathname)) throw new Error(pathname);
  const code = stripTypeScriptTypes(await readFile(new URL(`.${pathname}`, ROOT), 'utf8'));
  return code.replaceAll(`'${PACKAGE}'`, `'${PACKAGE_PATH}'`);
}

/** Runs on the page: it starts the worker and meanwhile does nothing but look at the clock. */
async function measureOnPage(runs: number): Promise<Omit<InBrowser, 'browser'>> {
  let longest = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 10);
  const worker = new Worker('/bench/src/accounting/worker.ts', { type: 'module' });
  const failed = new Promise<never>((_, reject) => {
    worker.addEventListener('error', (event) => reject(new Error(`the worker failed: ${event.message}`)));
  });
  const run = (count: number) => {
    const answer = new Promise<Timings>((resolve) => {
      worker.addEventListener('message', ({ data }: MessageEvent<Timings>) => resolve(data), { once: true });
    });
    worker.postMessage(count);
    return Promise.race([answer, failed]);
  };
  await run(1); // the worker has loaded
  longest = 0;
  await new Promise((resolve) => {
    setTimeout(resolve, 3000);
  });
  const idle = longest;
  longest = 0;
  const timings = await run(runs);
  return { ...timings, pageLongestGapMs: { whileWorking: longest, idle } };
}
