import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const CLI_PROGRAM = fileURLToPath(new URL('../../apps/cli/src/main.ts', import.meta.url));

export type CliResult = { exitCode: number | null; stdout: string; stderr: string };

const TIME_LIMIT_MS = 120_000;

/** Runs `chorale` with these arguments as a process of its own, to its end or until two minutes have passed. */
export async function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [CLI_PROGRAM, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a process group of its own, so that nothing it started stays behind
    env: { ...process.env, ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const killGroup = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // the group is gone already, as it should be
    }
  };
  const timer = setTimeout(killGroup, TIME_LIMIT_MS);
  child.once('exit', () => setTimeout(killGroup, 2_000));
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  clearTimeout(timer);
  return { exitCode, stdout, stderr };
}

/** The JSON object on the last line of what a command with `--json` printed. */
export function lastLineOf({ stdout }: CliResult): unknown {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1)!);
}
