import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { runCommand } from './command.ts';
import {
  CHROMIUM_VARIABLE,
  findOnPath,
  listChromiums,
  playwrightExecutable,
  type ChromiumCandidate,
} from './executable.ts';

export type EnsureChromiumOptions = {
  /** Gets one line before each thing that takes long. */
  log: (line: string) => void;
  env?: NodeJS.ProcessEnv;
  /** False: look, but install nothing. Default true. */
  install?: boolean;
};

export type EnsuredChromium = { path: string } | { path: null; reasons: readonly string[] };

const VERSION_TIMEOUT_MS = 30_000;
const DOWNLOAD_TIMEOUT_MS = 8 * 60_000;
/** Without it, Playwright waits long for a download host that never answers. */
const DOWNLOAD_CONNECTION_TIMEOUT_MS = 10_000;
const APT_TIMEOUT_MS = 10 * 60_000;

/**
 * Finds a Chromium that starts; else installs one: Playwright's download, then, on Debian and as root, the
 * distribution's package. Each step has a time limit.
 * @returns its path, or null with a reason for every way that was tried; a wrong `$CHORALE_CHROMIUM` is such a reason,
 *   and then nothing else is tried: whoever sets it wants that one
 */
export async function ensureChromium({
  log,
  env = process.env,
  install = true,
}: EnsureChromiumOptions): Promise<EnsuredChromium> {
  const reasons: string[] = [];
  let candidates: readonly ChromiumCandidate[];
  try {
    candidates = listChromiums(env);
  } catch (error) {
    return { path: null, reasons: [error instanceof Error ? error.message : String(error)] };
  }
  for (const { path, source } of candidates) {
    const problem = await startProblem(path, env);
    if (problem === null) return { path };
    reasons.push(`${path} (${source}) does not start: ${problem}`);
  }
  if (candidates.length === 0) reasons.push('no Chromium or Chrome is installed');
  if (!install || env[CHROMIUM_VARIABLE]) return { path: null, reasons };

  log('No Chromium on this machine: downloading the one Playwright uses (about 200 MB) …');
  const downloaded = await download(env);
  if (downloaded.path !== null) return downloaded;
  reasons.push(...downloaded.reasons);

  const packaged = await installWithApt(log, env);
  if (packaged.path !== null) return packaged;
  return { path: null, reasons: [...reasons, ...packaged.reasons] };
}

async function download(env: NodeJS.ProcessEnv): Promise<EnsuredChromium> {
  const packageFolder = dirname(createRequire(import.meta.url).resolve('playwright-core/package.json'));
  // `--no-shell`: the headless shell is a second download, and it has no WebGPU.
  const outcome = await runCommand(
    process.execPath,
    [join(packageFolder, 'cli.js'), 'install', '--no-shell', 'chromium'],
    {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      env: { ...env, PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT: String(DOWNLOAD_CONNECTION_TIMEOUT_MS) },
    },
  );
  if (outcome.kind === 'failed') {
    return { path: null, reasons: [`Playwright's download failed: ${outcome.reason}`] };
  }
  const path = playwrightExecutable();
  if (path === null) return { path, reasons: ["Playwright's download left no browser behind"] };
  const problem = await startProblem(path, env);
  if (problem === null) return { path };
  return { path: null, reasons: [`the downloaded ${path} does not start: ${problem}`] };
}

async function installWithApt(log: (line: string) => void, env: NodeJS.ProcessEnv): Promise<EnsuredChromium> {
  const aptGet = findOnPath('apt-get', env);
  if (aptGet === null || !existsSync('/etc/debian_version')) {
    return { path: null, reasons: ['no apt-get here to install the package chromium with'] };
  }
  if (process.getuid?.() !== 0) {
    return { path: null, reasons: ['only root can run "apt-get install chromium"'] };
  }
  log('Installing the package chromium with apt-get …');
  const options = { timeoutMs: APT_TIMEOUT_MS, env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
  const update = await runCommand(aptGet, ['update'], options);
  const packageInstall = await runCommand(aptGet, ['install', '-y', 'chromium'], options);
  if (packageInstall.kind === 'failed') {
    const lists = update.kind === 'failed' ? ` after "apt-get update": ${update.reason}` : '';
    return { path: null, reasons: [`"apt-get install chromium" failed: ${packageInstall.reason}${lists}`] };
  }
  const path = findOnPath('chromium', env);
  if (path === null) return { path, reasons: ['apt-get installed no command named chromium'] };
  const problem = await startProblem(path, env);
  if (problem === null) return { path };
  return { path: null, reasons: [`the installed ${path} does not start: ${problem}`] };
}

/**
 * A file that is there may still not run: Ubuntu's `chromium-browser` is a note to install a snap, and a
 * downloaded build may miss system libraries.
 * @returns null when it runs, else why not
 */
async function startProblem(path: string, env: NodeJS.ProcessEnv): Promise<string | null> {
  // Elsewhere `--version` opens a window.
  if (process.platform !== 'linux') return null;
  const outcome = await runCommand(path, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS, env });
  return outcome.kind === 'done' ? null : outcome.reason;
}
