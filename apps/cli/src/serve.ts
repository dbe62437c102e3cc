import { spawn } from 'node:child_process';
import { SERVER_PROGRAM } from './serverProcess.ts';

export const SERVE_USAGE = `chorale serve --data-dir DIR [--port N] [--config run.json] [--host ADDRESS]

Starts a server and prints the contributor and the admin address. All options go to the server as they are.
Build the pages first: npm run build.
`;

/** Runs the server in the foreground with this process's terminal; signals reach both. */
export async function serve(args: string[]): Promise<number> {
  const child = spawn(process.execPath, [SERVER_PROGRAM, ...args], { stdio: 'inherit' });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward);
  process.on('SIGTERM', forward);
  return await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}
