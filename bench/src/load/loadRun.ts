import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BenchServer } from './servers.ts';

/** What `chorale load --json` reports of one run, as far as the bench uses it. Times in seconds unless named otherwise. */
export type LoadResult = {
  clients: number;
  rounds: number;
  updateBytes: number;
  encoding: string;
  joinSeconds: number;
  seconds: number;
  roundsPerMinute: number;
  updatesPerSecond: number;
  updates: {
    outcomes: Record<string, number>;
    uplinkBytes: number;
    downlinkBytes: number;
    acknowledgementMs: { p50: number; p99: number; max: number } | null;
  };
  violations: string[];
  server: { cpuSeconds: number; cpuSecondsPerMegabyte: number; peakRssBytes: number };
};

const CLI = fileURLToPath(new URL('../../../apps/cli/src/main.ts', import.meta.url));

/** @throws {Error} the load did not end well, or the server did something it must not do */
export async function loadRun(
  server: BenchServer,
  { clients, rounds }: { clients: number; rounds: number },
): Promise<LoadResult> {
  const numbers = { clients, rounds, 'server-pid': server.pid };
  const options = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const args = ['load', '--server', server.url, ...options, '--json'];
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  const line = output.trim().split('\n').at(-1) ?? '';
  if (code !== 0) throw new Error(`chorale ${args.join(' ')} ended with ${code}: ${line}`);
  return JSON.parse(line) as LoadResult;
}
