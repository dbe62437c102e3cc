import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

/** The variable that names the Chromium to use; it wins over everything else. */
export const CHROMIUM_VARIABLE = 'CHORALE_CHROMIUM';

/** In the order of preference: full Chromium builds first, then Chrome. */
const NAMES_ON_PATH = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

export type ChromiumCandidate = {
  path: string;
  /** Where it was found, for messages. */
  source: string;
};

/**
 * Every Chromium there is, best first: `$CHORALE_CHROMIUM`, the browser Playwright installed, then
 * `chromium`, `chromium-browser`, `google-chrome` on the PATH. Looks at files only, starts nothing.
 * @throws {Error} `$CHORALE_CHROMIUM` is set, but is no executable file: a wrong setting is not passed over.
 */
export function listChromiums(env: NodeJS.ProcessEnv = process.env): ChromiumCandidate[] {
  const chosen = env[CHROMIUM_VARIABLE];
  if (chosen !== undefined && chosen !== '') {
    if (!isExecutable(chosen)) {
      throw new Error(
        `$${CHROMIUM_VARIABLE} should be the path of a Chromium; ${chosen} is no executable file. Correct it or unset it.`,
      );
    }
    return [{ path: chosen, source: `$${CHROMIUM_VARIABLE}` }];
  }
  const candidates: ChromiumCandidate[] = [];
  const own = playwrightExecutable();
  if (own !== null) candidates.push({ path: own, source: "Playwright's own browser" });
  for (const name of NAMES_ON_PATH) {
    const path = findOnPath(name, env);
    if (path !== null) candidates.push({ path, source: `${name} on the PATH` });
  }
  return candidates;
}

/**
 * @returns the path of the Chromium to use, or null when this machine has none (see `ensureChromium`).
 * @throws {Error} `$CHORALE_CHROMIUM` is set, but is no executable file.
 */
export function findChromium(env: NodeJS.ProcessEnv = process.env): string | null {
  return listChromiums(env)[0]?.path ?? null;
}

/** @returns the full Chromium (not the headless shell) that Playwright downloaded for this version, or null. */
export function playwrightExecutable(): string | null {
  const path = chromium.executablePath();
  return isExecutable(path) ? path : null;
}

/** @returns the first executable file of that name on `env.PATH`, or null. */
export function findOnPath(name: string, env: NodeJS.ProcessEnv = process.env): string | null {
  for (const folder of (env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    if (folder !== '' && isExecutable(path)) return path;
  }
  return null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
