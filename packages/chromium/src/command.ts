import { spawn } from 'node:child_process';

export type CommandOutcome = { kind: 'done'; output: string } | { kind: 'failed'; reason: string };

/** Output that is kept of a command, for the reason of a failure. */
const KEPT_CHARACTERS = 4000;
/** Between the polite signal and the one that cannot be ignored. */
const GRACE_MS = 5000;

/**
 * Runs a command to its end, or stops it at the time limit. It stays in this process's group, so that Ctrl-C ends
 * it as well.
 * @param env the whole environment of the command
 * @returns what it printed, or why it failed in one line; never rejects
 */
export function runCommand(
  file: string,
  args: readonly string[],
  { timeoutMs, env = process.env }: { timeoutMs: number; env?: NodeJS.ProcessEnv },
): Promise<CommandOutcome> {
  return new Promise((resolve) => {
    const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let timedOut = false;
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-KEPT_CHARACTERS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), GRACE_MS).unref();
      // A child of the command may hold the pipes open for longer than the command lives.
      child.stdout.destroy();
      child.stderr.destroy();
    }, timeoutMs);
    const settle = (outcome: CommandOutcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    child.on('error', (error) => settle({ kind: 'failed', reason: error.message }));
    child.on('close', (code, signal) => {
      if (timedOut) settle({ kind: 'failed', reason: `not done after ${timeoutMs / 1000} s` });
      else if (code === 0) settle({ kind: 'done', output });
      else settle({ kind: 'failed', reason: `${lastWords(output)} (exit ${code ?? signal})` });
    });
  });
}

/** The last line that names an error; else the last that is no part of a stack trace. */
function lastWords(output: string): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('at '));
  return lines.findLast((line) => /^(error|e):/i.test(line)) ?? lines.at(-1) ?? 'no output';
}
