import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..');

/** What the two-core build machine needs for the slowest step, several times over. */
const STEP_TIMEOUT_MS = 30 * 60_000;
/** Between the polite signal and the one that cannot be ignored. */
const GRACE_MS = 10_000;

export type ToolCommand = { tool: string; args: readonly string[] };

/**
 * Runs a tool of the root's dependencies under this Node, in the root folder, on this terminal.
 * Not through `node_modules/.bin`: those scripts do not pass signals on.
 * @returns its exit code; 1 when a signal or the time limit of 30 minutes ended it
 */
export function runTool({ tool, args }: ToolCommand, env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [toolScript(tool), ...args], { cwd: ROOT, env, stdio: 'inherit' });
    const timer = setTimeout(() => {
      console.error(
        `${tool} ${args.join(' ')}: not done after ${STEP_TIMEOUT_MS / 60_000} minutes, stopping it`,
      );
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
    }, STEP_TIMEOUT_MS);
    const stop = (signal: NodeJS.Signals): void => {
      child.kill(signal);
      process.exitCode = 1;
    };
    process.once('SIGTERM', stop);
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('SIGTERM', stop);
      resolve(code ?? 1);
    });
  });
}

/** @returns the file behind a command of the root's dependencies, as its package.json names it */
export function toolScript(tool: string): string {
  const packageName = tool === 'tsc' ? 'typescript' : tool === 'playwright' ? '@playwright/test' : tool;
  const folder = join(ROOT, 'node_modules', packageName);
  const { bin } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    bin: string | Record<string, string>;
  };
  const file = typeof bin === 'string' ? bin : bin[tool];
  if (file === undefined) throw new Error(`Expected ${packageName} to have a command named ${tool}.`);
  return join(folder, file);
}
