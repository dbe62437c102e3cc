import type { AddressInfo } from 'node:net';
import Fastify from 'fastify';
import type { RoundTiming } from '@chorale/coordinator';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import { ADMIN_NAMESPACE, CONTRIBUTE_NAMESPACE } from '@chorale/protocol';
import { openAccess } from './access/access.ts';
import type { DataDirectory } from './dataDirectory.ts';
import { openDataDirectory } from './dataDirectory.ts';
import { addAdminAccessRoutes } from './http/adminAccessRoutes.ts';
import { addAdminRoutes } from './http/adminRoutes.ts';
import { addHealthRoutes, readinessOf } from './http/healthRoutes.ts';
import { httpServerOptions, limitAnswerTime, limitConnections } from './http/httpServer.ts';
import { addIdentityRoutes } from './http/identityRoutes.ts';
import { addMetricsRoute } from './http/metricsRoute.ts';
import { addPages } from './http/pages.ts';
import { protectHttp } from './http/protectHttp.ts';
import { addPublicRoutes } from './http/publicRoutes.ts';
import type { RunLink } from './links.ts';
import { linkTo, originOf } from './links.ts';
import type { Log } from './log.ts';
import { openMetrics } from './metrics.ts';
import type { Hub } from './models/hub.ts';
import type { DownloadProgress } from './models/hubModel.ts';
import { oneAtATime } from './oneAtATime.ts';
import { logRequests, requestId } from './requestLog.ts';
import type { RunAudience } from './runs/runAudience.ts';
import type { RunHost } from './runs/runHost.ts';
import { RunRegistry } from './runs/runRegistry.ts';
import type { PreparedRun } from './runSetup.ts';
import { prepareRun } from './runSetup.ts';
import type { ServerParts } from './serverParts.ts';
import type { Settings } from './settings/schema.ts';
import { sendRunDetail, serveAdmins } from './sockets/adminNamespace.ts';
import type { AdminNamespace } from './sockets/adminNamespace.ts';
import { contributorAudience, sendRunState, serveContributors } from './sockets/contributeNamespace.ts';
import type { ContributeNamespace } from './sockets/contributeNamespace.ts';
import { openSocketServer } from './sockets/socketServer.ts';
import type { Throttled } from './throttle.ts';
import { throttle } from './throttle.ts';

export type ServerOptions = Pick<
  Settings,
  | 'dataDir'
  | 'configs'
  | 'host'
  | 'port'
  | 'publicOrigins'
  | 'trustProxy'
  | 'keepUpdates'
  | 'metricsToken'
  | 'limits'
  | 'shutdownSeconds'
  | 'pages'
> & {
  parts: ServerParts;
  log: Log;
  /** Where models named `hf:…` come from. */
  hub: Hub;
  /** Called while one is downloaded. */
  onDownload: DownloadProgress;
  adminToken: string;
  /** The operator chose the admin token; else it was made for this start. */
  adminTokenIsSet: boolean;
  /** Whether configs whose newest run has ended start another one; false: that one is shown as it ended. */
  newRun?: boolean;
  timing?: RoundTiming;
  /** Bytes of updates that may be on their way to the server at once; see `TransferSlots`. */
  transferBytes?: number;
};

export type RunningServer = {
  contributeUrl: string;
  /** Signs in whoever opens it; without a token when `adminToken` is empty. */
  adminUrl: string;
  /** Empty when an admin has replaced the one that is set: only she knows the one that is valid. */
  adminToken: string;
  /** The run of the first config. */
  runId: string;
  /** The runs of all configs, in their order. */
  runs: RunLink[];
  /** Takes nothing new in, finishes or parks the rounds, and ends every connection. The second call waits for the first. */
  close(): Promise<void>;
};

const BROADCAST_INTERVAL_MS = 250;
/** What is left of the time for a stop when rounds have to be parked: for the sockets and the database. */
const CLOSING_SHARE = 0.2;

/**
 * Starts a server on a data directory: goes on with the runs that are in it, and creates those of the configs unless
 * they are among them, ended or not.
 * @throws {ChoraleError} as `openDataDirectory` and `prepareRun`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const data = openDataDirectory(options.dataDir);
  try {
    const prepared: PreparedRun[] = [];
    for (const config of options.configs) prepared.push(await prepareRun(config, { ...options, data }));
    return await serve(options, data, (registry) =>
      prepared.map((one) => registry.resumeOrCreate(one, options.newRun ?? false)),
    );
  } catch (error) {
    data.close();
    throw error;
  }
}

async function serve(
  options: ServerOptions,
  data: DataDirectory,
  openRuns: (registry: RunRegistry) => RunHost[],
): Promise<RunningServer> {
  const {
    parts,
    log,
    adminToken,
    publicOrigins,
    trustProxy,
    limits,
    timing = DEFAULT_ROUND_TIMING,
  } = options;
  let phase: 'starting' | 'serving' | 'closing' = 'starting';
  const readiness = readinessOf({ phase: () => phase, checkWritable: () => data.store.checkWritable() });
  const metrics = openMetrics({
    runs: () => registry.list().map((host) => ({ runId: host.run.runId, status: host.view().status })),
    sockets: () => [
      { namespace: 'contribute', count: contribute.sockets.size },
      { namespace: 'admin', count: admin.sockets.size },
    ],
    ready: () => readiness().ready,
  });
  const { observer } = metrics;
  const access = openAccess({
    store: data.store,
    adminToken,
    adminTokenIsSet: options.adminTokenIsSet,
    limits,
    publicOrigins,
    trustProxy,
    log,
    observer,
  });

  // The registry speaks to the sockets, and these are sized by the registry's runs: it speaks through a relay to an
  // audience that is there before the runs are started.
  const registry = new RunRegistry({
    data,
    parts,
    log,
    timing,
    observer,
    keepUpdates: options.keepUpdates,
    audience: relay(() => audience),
  });
  const hosts = openRuns(registry);

  const app = Fastify({ ...httpServerOptions(trustProxy), genReqId: requestId, requestIdHeader: false });
  limitConnections(app.server, limits, trustProxy);
  const { io: sockets, connections } = openSocketServer(app.server, {
    access,
    largestMessageBytes: registry.largestMessageBytes(),
  });
  const contribute: ContributeNamespace = sockets.of(CONTRIBUTE_NAMESPACE);
  const admin: AdminNamespace = sockets.of(ADMIN_NAMESPACE);
  const broadcasts = new Map<string, Throttled>();
  const audience: RunAudience = {
    ...contributorAudience(contribute, connections),
    changed(changedId) {
      let broadcast = broadcasts.get(changedId);
      if (broadcast === undefined) {
        const host = registry.get(changedId);
        // Nobody waits for it, and the next change sends everything again
        const notSent = (err: unknown): void =>
          log.error({ err, runId: changedId }, 'the state of a run could not be sent');
        const sendDetail = oneAtATime(() => sendRunDetail(admin, registry, host, connections).catch(notSent));
        broadcast = throttle(() => {
          try {
            sendRunState(contribute, host);
          } catch (error) {
            notSent(error);
          }
          sendDetail();
        }, BROADCAST_INTERVAL_MS);
        broadcasts.set(changedId, broadcast);
      }
      broadcast();
    },
  };
  serveContributors(contribute, {
    registry,
    access,
    connections,
    log,
    transferBytes: options.transferBytes,
  });
  serveAdmins(admin, { registry, access, connections, log });

  logRequests(app, log, metrics.requestAnswered);
  limitAnswerTime(app);
  await protectHttp(app, access, log);
  addHealthRoutes(app, readiness);
  addMetricsRoute(app, metrics, {
    token: options.metricsToken,
    local: publicOrigins.length === 0 && trustProxy === false,
  });
  addPublicRoutes(app, registry, data.files);
  addIdentityRoutes(app, { registry, access, store: data.store });
  addAdminAccessRoutes(app, access);
  addAdminRoutes(app, { registry, access, store: data.store });
  const [contributor, adminPage] = options.pages;
  await addPages(app, { contributor, admin: adminPage }, access);
  await app.listen({ host: options.host, port: options.port });
  registry.start();
  phase = 'serving';

  const origin = originOf(publicOrigins, options.host, (app.server.address() as AddressInfo).port);
  const runs = hosts.map((host) => linkTo(host, origin));
  log.info({ dataDir: options.dataDir, runs: runs.map(({ runId }) => runId) }, 'serving');

  const end = async (): Promise<void> => {
    phase = 'closing';
    access.beginClosing();
    log.info('closing: nothing new is taken in');
    // Still listening: who asks is told, and what is under way is answered
    const atRest = await registry.park((1 - CLOSING_SHARE) * options.shutdownSeconds * 1000);
    if (!atRest)
      log.warn('a round is in the middle of something; it goes on from the disk at the next start');
    for (const broadcast of broadcasts.values()) broadcast.cancel();
    // Stops listening and ends the WebSockets, which clients take as a lost connection: they come back by themselves. Kept-alive HTTP
    // connections would hold it up for a minute.
    const closing = sockets.close();
    app.server.closeAllConnections();
    await closing;
    await app.close();
    registry.close();
    data.close();
    log.info('closed');
  };
  let ending: Promise<void> | undefined;
  return {
    contributeUrl: `${origin}/`,
    ...adminOf(origin, access.admin.holdsToken(adminToken) ? adminToken : ''),
    runId: runs[0]!.runId,
    runs,
    close: () => (ending ??= end()),
  };
}

function adminOf(origin: string, adminToken: string): Pick<RunningServer, 'adminUrl' | 'adminToken'> {
  const query = adminToken === '' ? '' : `?token=${encodeURIComponent(adminToken)}`;
  return { adminUrl: `${origin}/admin${query}`, adminToken };
}

function relay(current: () => RunAudience): RunAudience {
  return {
    startRound: (...args) => current().startRound(...args),
    endRound: (...args) => current().endRound(...args),
    roundRecord: (...args) => current().roundRecord(...args),
    changed: (...args) => current().changed(...args),
    dropConnection: (...args) => current().dropConnection(...args),
  };
}
