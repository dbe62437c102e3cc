import { wireError } from '@chorale/protocol';
import { stderrLog } from './log.ts';
import { hubFromEnvironment } from './models/hub.ts';
import { showDownload } from './models/showDownload.ts';
import { USAGE, parseOptions } from './options.ts';
import { startServer } from './server.ts';
import { trainerParts } from './trainerParts.ts';

/** Serves until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const { json, help, ...options } = parseOptions(process.argv.slice(2));
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const server = await startServer({
    ...options,
    parts: trainerParts,
    log: stderrLog,
    hub: hubFromEnvironment(process.env, (message) => stderrLog('warning', message)),
    onDownload: showDownload(process.stderr),
    adminToken: process.env['CHORALE_ADMIN_TOKEN'] || undefined,
  });
  const { close, ...addresses } = server;
  process.stdout.write(
    json
      ? `${JSON.stringify(addresses)}\n`
      : `Contribute: ${addresses.contributeUrl}\nAdmin: ${addresses.adminUrl}\nRun: ${addresses.runId}\n`,
  );
  const end = (): void => {
    close().then(
      () => process.exit(0),
      (error: unknown) => {
        stderrLog('error', 'could not close cleanly', error);
        process.exit(1);
      },
    );
  };
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
}

main().catch((error: unknown) => {
  // What the operator can mend is one line; anything else needs its stack.
  const { code, message } = wireError(error);
  if (code !== 'INTERNAL') process.stderr.write(`${code}: ${message}\n`);
  else stderrLog('error', 'the server could not start', error);
  process.exit(1);
});
