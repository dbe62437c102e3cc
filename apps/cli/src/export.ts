import { fileURLToPath } from 'node:url';
import { runInForeground } from './serverProcess.ts';

/** Apps never import each other: what reads a data directory is a program of the server. */
const EXPORT_PROGRAM = fileURLToPath(import.meta.resolve('@chorale/server/export.ts'));

/** Hands the adapter of a run over; its options, `--help` too, are those of the server's program. */
export async function exportAdapter(args: string[]): Promise<number> {
  return await runInForeground(EXPORT_PROGRAM, args);
}
