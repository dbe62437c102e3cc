import { flushCompileCache } from 'node:module';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import { openLog } from '../log.ts';
import { startServer } from '../server.ts';
import { readSettings } from '../settings/readSettings.ts';
import { NO_HUB, testParts } from '../testServer.fixture.ts';

/*
 * The server that tests kill: real sockets, real SQLite, the real engine; only the model is missing, so that it starts in
 * a fraction of a second. One argument, `CrashServerOptions` as JSON. It writes a line when it serves: the ids of its runs.
 */
export type CrashServerOptions = {
  dataDir: string;
  configPaths: string[];
  port: number;
  parameterCount: number;
  keepUpdates: 'none' | 'all';
};

/** Long enough to be killed in. */
const EVALUATION_MS = 15;

const { dataDir, configPaths, port, parameterCount, keepUpdates } = JSON.parse(
  process.argv[2]!,
) as CrashServerOptions;
const server = await startServer({
  ...readSettings([], {}).settings,
  dataDir,
  configs: configPaths,
  keepUpdates,
  pages: [dataDir, dataDir],
  host: '127.0.0.1',
  port,
  adminToken: 'a-token-for-crash-tests',
  adminTokenIsSet: true,
  parts: {
    ...testParts,
    async describeAdapter(files, config) {
      return {
        ...(await testParts.describeAdapter(files, config)),
        parameterCount,
        tensors: [{ name: 'all', count: parameterCount }],
        trainedRanges: [{ start: 0, end: parameterCount }],
        initialParameters: new Float32Array(parameterCount),
      };
    },
    openEvaluation: () => ({
      async evaluate(parameters) {
        await new Promise((resolve) => setTimeout(resolve, EVALUATION_MS));
        return { accuracy: parameters[0]!, loss: parameters[1]! };
      },
      dispose: () => undefined,
    }),
  },
  hub: NO_HUB,
  onDownload: () => undefined,
  log: openLog({ level: 'warn', format: 'json' }),
  timing: {
    ...DEFAULT_ROUND_TIMING,
    reconnectGraceMs: 200,
    restartGraceMs: 3_000,
    backoffMs: 5,
    backoffLimitMs: 20,
    extraWaitMs: 50,
  },
});
process.stdout.write(`${server.runs.map(({ runId }) => runId).join(' ')}\n`);
// What is killed writes nothing at its end
flushCompileCache();
