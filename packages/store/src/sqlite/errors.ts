import { ChoraleError } from '@chorale/protocol';

// Primary result codes: the low byte of `errcode` (https://www.sqlite.org/rescode.html)
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;
// Extended ones. Writing fails with the first also at a quota or a limit on the size of files, since only ENOSPC is
// SQLITE_FULL to SQLite's file system layer; and with the second where the -shm file cannot grow.
const SQLITE_IOERR_WRITE = 778;
const SQLITE_IOERR_SHMSIZE = 4874;
// The file ends before a page that must be in it
const SQLITE_IOERR_SHORT_READ = 522;

/**
 * The one place where failures of SQLite get our codes. What the driver said of them stays in `cause`: it may name paths.
 * @param what what was tried: "could not ..."
 * @param file the database, as its users may see it named: the whole path at opening, the file's name after that, since
 *   messages reach contributors
 */
export function storeFailure(what: string, file: string, cause: unknown): ChoraleError {
  if (cause instanceof ChoraleError) return cause;
  const { code, text } = sqliteError(cause);
  const full = code === SQLITE_IOERR_WRITE || code === SQLITE_IOERR_SHMSIZE || primary(code) === SQLITE_FULL;
  if (full || hasNoRoom(cause)) {
    return new ChoraleError(
      'STORE_FULL',
      `could not ${what}: no room left for ${file} (the disk, a quota, or a limit on the size of files); make room, and it goes on`,
      { cause },
    );
  }
  if (
    code === SQLITE_IOERR_SHORT_READ ||
    primary(code) === SQLITE_CORRUPT ||
    primary(code) === SQLITE_NOTADB
  ) {
    return damagedStore(file, `could not ${what}: ${text}`, cause);
  }
  // JSON that only this package writes
  if (cause instanceof SyntaxError) return damagedStore(file, `could not ${what}: a value is no JSON`, cause);
  return new ChoraleError('STORE_ERROR', `could not ${what}; try again, then look into the server's log`, {
    cause,
  });
}

/** The file is not what this program left there; nothing is repaired or started anew by itself. */
export function damagedStore(file: string, found: string, cause?: unknown): ChoraleError {
  return new ChoraleError(
    'STORE_DAMAGED',
    `expected a whole Chorale database at ${file}, ${found}; stop the server, keep the file for a rescue, and restore a backup (docs/operations.md)`,
    { cause },
  );
}

function primary(code: number): number {
  return code & 0xff;
}

/** Of Node's own calls on files. */
function hasNoRoom(error: unknown): boolean {
  return (
    error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(String(error.code))
  );
}

/** SQLite's extended result code and its fixed text for it; 0 when the error is none of SQLite's. */
function sqliteError(error: unknown): { code: number; text: string } {
  if (!(error instanceof Error && 'errcode' in error && 'errstr' in error)) return { code: 0, text: '' };
  return { code: Number(error.errcode), text: String(error.errstr) };
}
