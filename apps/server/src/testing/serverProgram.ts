import { openLog } from '../log.ts';
import { startServer } from '../server.ts';
import { readSettings } from '../settings/readSettings.ts';
import { closeOnSignals } from '../signals.ts';
import { NO_HUB, testParts } from '../testServer.fixture.ts';

/**
 * A server as `main.ts` starts it, with the parts of tests instead of a model, for tests that need a process: they end it
 * by signals. `PRICE_MS` makes the aggregate of every round wait so long for its price.
 */
const { settings } = readSettings(process.argv.slice(2), process.env);
const priceMs = Number(process.env['PRICE_MS'] ?? 0);
const log = openLog({ level: settings.logLevel, format: 'json' });
const server = await startServer({
  ...settings,
  adminToken: settings.adminToken ?? 'a-token-for-tests',
  adminTokenIsSet: true,
  parts: {
    ...testParts,
    async priceRounds(_plan, rounds) {
      await new Promise((resolve) => setTimeout(resolve, priceMs));
      return { epsilon: rounds / 2, reason: null };
    },
  },
  log,
  hub: NO_HUB,
  onDownload: () => undefined,
});
closeOnSignals(server, { log, limitSeconds: settings.shutdownSeconds });
const { close: _, ...addresses } = server;
process.stdout.write(`${JSON.stringify(addresses)}\n`);
