import { parseArgs } from 'node:util';
import { openLog } from '../log.ts';
import { startServer } from '../server.ts';
import { readSettings } from '../settings/readSettings.ts';
import { closeOnSignals } from '../signals.ts';
import { NO_HUB, testParts } from '../testServer.fixture.ts';
import { trainerParts } from '../trainerParts.ts';

/*
 * The server whose cost `bench:load` measures: all of it is real but the model, in whose place stand tensors of the sizes
 * asked for. Settings as for `main.ts` come from the environment.
 *
 *   node loadServer.ts --tensors 12 --values-each 12288
 */
const { values } = parseArgs({
  options: { tensors: { type: 'string' }, 'values-each': { type: 'string' } },
});
const count = Number(values['values-each']);
const tensors = Array.from({ length: Number(values.tensors) }, (_, i) => ({ name: `module ${i}`, count }));
const parameterCount = tensors.length * count;

const { settings } = readSettings([], process.env);
const log = openLog({ level: settings.logLevel, format: 'json' });
const server = await startServer({
  ...settings,
  adminToken: settings.adminToken ?? 'a-token-for-load',
  adminTokenIsSet: true,
  parts: {
    ...trainerParts,
    neededModelFiles: testParts.neededModelFiles,
    packModel: testParts.packModel,
    async describeAdapter(files, config) {
      return {
        ...(await testParts.describeAdapter(files, config)),
        parameterCount,
        tensors,
        trainedRanges: [{ start: 0, end: parameterCount }],
        initialParameters: new Float32Array(parameterCount),
      };
    },
  },
  log,
  hub: NO_HUB,
  onDownload: () => undefined,
});
closeOnSignals(server, { log, limitSeconds: settings.shutdownSeconds });
const { close: _, ...addresses } = server;
process.stdout.write(`${JSON.stringify(addresses)}\n`);
