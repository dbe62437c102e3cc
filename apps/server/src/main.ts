import { wireError } from '@chorale/protocol';
import { randomToken } from './identity.ts';
import { openLog, stderrLog } from './log.ts';
import { hubFromEnvironment } from './models/hub.ts';
import { showDownload } from './models/showDownload.ts';
import type { RunningServer } from './server.ts';
import { startServer } from './server.ts';
import { readSettings } from './settings/readSettings.ts';
import { settingLines, shownSettings, usage } from './settings/show.ts';
import { closeOnSignals } from './signals.ts';
import { trainerParts } from './trainerParts.ts';

/** Serves until SIGINT or SIGTERM. */
async function main(): Promise<void> {
  const read = readSettings(process.argv.slice(2), process.env);
  const { settings, json, help, printSettings, newRun } = read;
  if (help) {
    process.stdout.write(usage());
    return;
  }
  if (printSettings) {
    const shown = shownSettings(read);
    process.stdout.write(json ? `${JSON.stringify({ settings: shown })}\n` : settingLines(shown));
    return;
  }
  const adminToken = settings.adminToken ?? randomToken();
  const log = openLog({
    level: settings.logLevel,
    format: settings.logFormat,
    secrets: [adminToken, settings.metricsToken ?? ''],
  });
  const server = await startServer({
    ...settings,
    newRun,
    adminToken,
    adminTokenIsSet: settings.adminToken !== null,
    parts: trainerParts,
    log,
    hub: hubFromEnvironment(process.env, (message) => log.warn(message)),
    onDownload: showDownload(process.stderr),
  });
  closeOnSignals(server, { log, limitSeconds: settings.shutdownSeconds });
  const { close: _, ...addresses } = server;
  process.stdout.write(
    json ? `${JSON.stringify(addresses)}\n` : textOf(addresses, settings.adminToken !== null),
  );
}

/** A token that the operator chose is hers to know; what is printed here may be kept for long by whoever reads it. */
function textOf({ runs, adminUrl, adminToken }: Omit<RunningServer, 'close'>, tokenIsSet: boolean): string {
  const replaced = `${adminUrl} (with the token that an admin made; your CHORALE_ADMIN_TOKEN was replaced)`;
  const set = `${adminUrl.split('=')[0]}=… (your CHORALE_ADMIN_TOKEN)`;
  const admin = adminToken === '' ? replaced : tokenIsSet ? set : adminUrl;
  return `${runs.map(({ name, url }) => `Contribute to "${name}": ${url}\n`).join('')}Admin: ${admin}\n`;
}

main().catch((error: unknown) => {
  // What the operator can mend is one line; anything else needs its stack.
  const { code, message } = wireError(error);
  if (code !== 'INTERNAL') process.stderr.write(`${code}: ${message}\n`);
  else stderrLog.error({ err: error }, 'the server could not start');
  process.exit(1);
});
