import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A path that is being written, relative to a simulation's directory; the number is the process that writes. */
const TEMPORARY = /^(?:seed-\d+[/\\](?:adapter[/\\])?)?[^/\\]+\.(\d+)\.tmp$/;

/**
 * Writes a file so that a reader, or the next start after a kill, finds the old content or the new one and never a part.
 * Makes the directory.
 */
export function writeAtomically(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const temporary = `${path}.${process.pid}.tmp`;
  const file = openSync(temporary, 'w');
  try {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    fsyncSync(file); // the name must not be there before the bytes are
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
}

/** Removes what `writeAtomically` left in a simulation's directory where it was killed; what lives writes on. */
export function removeAbandoned(directory: string): void {
  if (!existsSync(directory)) return;
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' })) {
    const writer = TEMPORARY.exec(path)?.[1];
    if (writer !== undefined && !isAlive(Number(writer))) rmSync(join(directory, path), { force: true });
  }
}

/** This process writes nothing while it looks: a file with its number is an earlier one's. */
function isAlive(processId: number): boolean {
  if (processId === process.pid) return false;
  try {
    process.kill(processId, 0); // sends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
