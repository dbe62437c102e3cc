import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { ChoraleError } from '@chorale/protocol';

/** Apps never import each other: the server is a process of its own, and this is where its program lies. */
export const SERVER_PROGRAM = fileURLToPath(import.meta.resolve('@chorale/server/main.ts'));

export type ServerAddresses = {
  contributeUrl: string;
  adminUrl: string;
  adminToken: string;
  /** The run of the first config. */
  runId: string;
  /** The runs of all configs, each with its own link. */
  runs: { runId: string; name: string; url: string }[];
};

const START_TIMEOUT_MS = 60_000;

/**
 * Starts a server and waits until it listens.
 * @param args its options; `--json` is added
 * @throws {ChoraleError} INTERNAL: it ended or did not listen in time; its own words stand on stderr
 */
export async function startServerProcess(
  args: string[],
): Promise<{ addresses: ServerAddresses; child: ChildProcess; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [SERVER_PROGRAM, '--json', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
  };
  const line = await Promise.race([
    firstLine(child),
    ended.then(() => null),
    new Promise<null>((resolve) => setTimeout(() => resolve(null), START_TIMEOUT_MS).unref()),
  ]);
  if (line === null) {
    await stop();
    throw new ChoraleError('INTERNAL', 'The server did not start; its message stands above.');
  }
  return { addresses: JSON.parse(line) as ServerAddresses, child, stop };
}

/** Runs a program in the foreground with this process's terminal; signals reach both. */
export async function runInForeground(program: string, args: string[]): Promise<number> {
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => {
    // Ctrl-C in a terminal reaches the program by itself; a second one would read as "quit at once".
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    child.kill(signal);
  };
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  return await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

async function firstLine(child: ChildProcess): Promise<string | null> {
  for await (const line of createInterface({ input: child.stdout! })) return line;
  return null;
}
