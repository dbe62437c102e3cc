import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { launchChromium } from './launch.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

test('software WebGPU: a page on 127.0.0.1 gets an adapter', async () => {
  expect(await adapterVendor('swiftshader')).toBe('google');
});

test('WebGPU off: the page has none, so that fallbacks can be tested', async () => {
  expect(await adapterVendor('off')).toBeNull();
});

/** What a page served over http from this machine (a secure context) sees. */
async function adapterVendor(webgpu: 'swiftshader' | 'off'): Promise<string | null> {
  const server = createServer((_request, response) => response.end('<!doctype html><title>empty</title>'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  const browser = await launchChromium({ webgpu });
  closers.unshift(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return await page.evaluate(async () => {
    const gpu = (navigator as Partial<Navigator>).gpu;
    const adapter = (await gpu?.requestAdapter()) ?? null;
    return adapter?.info.vendor ?? null;
  });
}
