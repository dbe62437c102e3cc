import { fileURLToPath } from 'node:url';
import { runInForeground } from './serverProcess.ts';

/** Apps never import each other: what reads a data directory is a program of the server. */
const BACKUP_PROGRAM = fileURLToPath(import.meta.resolve('@chorale/server/backup.ts'));

/** Copies the data directory of a server; its options, `--help` too, are those of the server's program. */
export async function backUp(args: string[]): Promise<number> {
  return await runInForeground(BACKUP_PROGRAM, args);
}
