import { inspect } from 'node:util';

/** One line about what happened, for the operator. */
export type Log = (level: 'info' | 'warning' | 'error', message: string, error?: unknown) => void;

/** Writes to stderr, so that stdout stays for what programs read. */
export const stderrLog: Log = (level, message, error) => {
  const details = error === undefined ? '' : `${inspect(error)}\n`;
  process.stderr.write(`${new Date().toISOString()} ${level}: ${message}\n${details}`);
};
