/** One line about what happened, for the operator. */
export type Log = (level: 'info' | 'warning' | 'error', message: string, error?: unknown) => void;

/** Writes to stderr, so that stdout stays for what programs read. */
export const stderrLog: Log = (level, message, error) => {
  process.stderr.write(`${new Date().toISOString()} ${level}: ${message}\n`);
  if (error !== undefined)
    process.stderr.write(`${error instanceof Error ? describe(error) : String(error)}\n`);
};

function describe(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  caused by ${describe(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
