import { constants } from 'node:os';
import type { Log } from './log.ts';

const ENDING_SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Ends the process on SIGINT or SIGTERM: the first lets the server close, within a limit; the second ends it at once.
 * Whatever the moment, what was acknowledged is on the disk, so an end without waiting loses work but no data.
 */
export function closeOnSignals(
  server: { close(): Promise<void> },
  { log, limitSeconds }: { log: Log; limitSeconds: number },
): void {
  let closing = false;
  const onSignal = (signal: (typeof ENDING_SIGNALS)[number]): void => {
    if (closing) {
      log.warn({ signal }, 'ending at once');
      process.exit(128 + constants.signals[signal]);
    }
    closing = true;
    setTimeout(() => {
      log.warn(
        { limitSeconds },
        'what was being computed did not end in time; the round goes on from the disk at the next start',
      );
      process.exit(0);
    }, limitSeconds * 1000).unref();
    server.close().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'could not close cleanly');
        process.exit(1);
      },
    );
  };
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
}
