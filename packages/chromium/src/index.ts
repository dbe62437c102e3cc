export { CHROMIUM_VARIABLE, findChromium, listChromiums, type ChromiumCandidate } from './executable.ts';
export { chromiumArgs, type ChromiumArgsOptions, type WebgpuMode } from './flags.ts';
export { ensureChromium, type EnsureChromiumOptions, type EnsuredChromium } from './install.ts';
export { launchChromium, type LaunchChromiumOptions } from './launch.ts';
