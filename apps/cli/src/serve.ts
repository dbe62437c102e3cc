import { SERVER_PROGRAM, runInForeground } from './serverProcess.ts';

/** Starts a server in this terminal; all options go to it as they are, `--help` too. */
export async function serve(args: string[]): Promise<number> {
  return await runInForeground(SERVER_PROGRAM, args);
}
