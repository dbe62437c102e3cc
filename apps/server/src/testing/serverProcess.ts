import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RunningServer } from '../server.ts';
import type { RecordedLine } from './recordedLog.ts';

const PROGRAM = fileURLToPath(new URL('./serverProgram.ts', import.meta.url));

export type ServerProcess = {
  /** As a server of this process, except that its end is another's. */
  server: RunningServer;
  child: ChildProcess;
  /** What it wrote to its log so far. */
  logged: RecordedLine[];
  /** Resolves with its exit code, or the signal that ended it. */
  ended: Promise<number | NodeJS.Signals>;
};

/**
 * Starts a real process with the parts of tests.
 * @param args settings as options of the command
 */
export async function startServerProcess(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<ServerProcess> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once('exit', (code, signal) => resolve(code ?? signal!)),
  );
  const logged: RecordedLine[] = [];
  const unread: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.startsWith('{')) logged.push(JSON.parse(line) as RecordedLine);
    else unread.push(line);
  });
  const first = await Promise.race([
    new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve)),
    ended.then((code) => Promise.reject(new Error(`ended with ${code}: ${unread.join('\n')}`))),
  ]);
  const addresses = JSON.parse(first) as Omit<RunningServer, 'close'>;
  const close = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  return { server: { ...addresses, close }, child, logged, ended };
}

/** A port that was free a moment ago, for what must come back under the same address. */
export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
