import { chromium, type Browser } from 'playwright-core';
import { CHROMIUM_VARIABLE, findChromium } from './executable.ts';
import { chromiumArgs, type WebgpuMode } from './flags.ts';

export type LaunchChromiumOptions = {
  webgpu: WebgpuMode;
  /** Default: what `findChromium` finds. */
  executablePath?: string;
  /** Default true: the new headless mode. */
  headless?: boolean;
  /** Flags beside those of `chromiumArgs`. */
  extraArgs?: readonly string[];
  /** How long the start may take. Default 60 s: a cold start on a busy two-core machine takes many. */
  timeoutMs?: number;
};

/**
 * Starts a Chromium under Playwright's control. The caller closes it.
 *
 * Only pages of our own server on this machine are opened in it: Playwright starts Chromium without its sandbox.
 * @throws {Error} no Chromium was found, or it did not start.
 */
export async function launchChromium({
  webgpu,
  executablePath,
  headless = true,
  extraArgs = [],
  timeoutMs = 60_000,
}: LaunchChromiumOptions): Promise<Browser> {
  const path = executablePath ?? findChromium();
  if (path === null) {
    throw new Error(
      `No Chromium on this machine. Install chromium or Google Chrome, or set $${CHROMIUM_VARIABLE} to the path of one.`,
    );
  }
  return await chromium.launch({
    executablePath: path,
    headless,
    args: [...chromiumArgs({ webgpu }), ...extraArgs],
    timeout: timeoutMs,
  });
}
