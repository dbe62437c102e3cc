import type { Page } from '@playwright/test';

/**
 * In every worker of the page: keeps the GPU devices that are handed out, and has the software adapter of test browsers
 * pass for a graphics card, which pages choose by themselves.
 */
const PRELUDE = `
  const requestDevice = GPUAdapter.prototype.requestDevice;
  globalThis.handedOut = [];
  GPUAdapter.prototype.requestDevice = async function (...options) {
    const device = await requestDevice.apply(this, options);
    globalThis.handedOut.push(device);
    return device;
  };
  Object.defineProperty(GPUAdapter.prototype, 'info', {
    get: () => ({ vendor: 'example', architecture: 'card', device: '', description: '', isFallbackAdapter: false }),
  });
`;

/** Before the page is opened. */
export async function watchGpuDevices(page: Page): Promise<void> {
  await page.route('**/assets/worker-*.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: PRELUDE + (await response.text()) });
  });
}

/** Devices that were handed out so far. */
export async function gpuDeviceCount(page: Page): Promise<number> {
  return await page.workers()[0]!.evaluate(() => handedOut.length);
}

/** Takes the real GPU device away from the worker that computes on it, as a driver reset does. */
export async function loseGpuDevice(page: Page): Promise<void> {
  await page.workers()[0]!.evaluate(() => handedOut.at(-1)!.destroy());
}

/** Of the prelude. */
declare const handedOut: { destroy(): void }[];
