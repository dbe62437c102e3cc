import type { AddressInfo } from 'node:net';
import fastifyCookie from '@fastify/cookie';
import Fastify from 'fastify';
import { Server as SocketServer } from 'socket.io';
import type { RoundTiming } from '@chorale/coordinator';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import { ADMIN_NAMESPACE, CONTRIBUTE_NAMESPACE } from '@chorale/protocol';
import { openAdminAccess } from './adminAccess.ts';
import type { DataDirectory } from './dataDirectory.ts';
import { openDataDirectory } from './dataDirectory.ts';
import { addAdminRoutes } from './http/adminRoutes.ts';
import { answerErrors } from './http/httpErrors.ts';
import { sameOrigin } from './http/origin.ts';
import type { PageFolders } from './http/pages.ts';
import { addPages } from './http/pages.ts';
import { addIdentityRoutes } from './http/identityRoutes.ts';
import { addPublicRoutes } from './http/publicRoutes.ts';
import { sendSecurityHeaders } from './http/securityHeaders.ts';
import { randomToken } from './identity.ts';
import type { Log } from './log.ts';
import type { Hub } from './models/hub.ts';
import type { DownloadProgress } from './models/hubModel.ts';
import type { RunAudience } from './runs/runAudience.ts';
import { RunRegistry } from './runs/runRegistry.ts';
import { prepareRun } from './runSetup.ts';
import type { ServerParts } from './serverParts.ts';
import { contributorAudience, sendRunState, serveContributors } from './sockets/contributeNamespace.ts';
import type { ContributeNamespace } from './sockets/contributeNamespace.ts';
import { sendRunDetail, serveAdmins } from './sockets/adminNamespace.ts';
import type { AdminNamespace } from './sockets/adminNamespace.ts';
import { oneAtATime } from './oneAtATime.ts';
import type { Throttled } from './throttle.ts';
import { throttle } from './throttle.ts';

export type ServerOptions = {
  dataDir: string;
  host: string;
  /** 0 = any free one. */
  port: number;
  configPath: string;
  pages: PageFolders;
  parts: ServerParts;
  log: Log;
  /** Where models named `hf:…` come from. */
  hub: Hub;
  /** Called while one is downloaded. */
  onDownload: DownloadProgress;
  /** A new random one when not given. */
  adminToken?: string | undefined;
  timing?: RoundTiming;
};

export type RunningServer = {
  contributeUrl: string;
  /** Signs in whoever opens it. */
  adminUrl: string;
  adminToken: string;
  /** The run of the config. */
  runId: string;
  close(): Promise<void>;
};

const BROADCAST_INTERVAL_MS = 250;
/** Room for an event's other fields, and for the framing. */
const MESSAGE_BYTES = 4096;

/**
 * Starts a server on a data directory: goes on with the runs that are in it, and creates the one of the config unless
 * it is among them.
 * @throws {ChoraleError} as `openDataDirectory` and `prepareRun`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const data = openDataDirectory(options.dataDir);
  try {
    const prepared = await prepareRun(options.configPath, { ...options, data });
    return await serve(options, data, (registry) => registry.resumeOrCreate(prepared).run.runId);
  } catch (error) {
    data.close();
    throw error;
  }
}

async function serve(
  options: ServerOptions,
  data: DataDirectory,
  openRun: (registry: RunRegistry) => string,
): Promise<RunningServer> {
  const { parts, log, timing = DEFAULT_ROUND_TIMING } = options;
  const adminToken = options.adminToken ?? randomToken();
  const access = openAdminAccess(data.store, adminToken);

  // The registry speaks to the sockets, and these are sized by the registry's runs: it speaks through a relay to an
  // audience that is there before the runs are started.
  const registry = new RunRegistry({ data, parts, log, timing, audience: relay(() => audience) });
  const runId = openRun(registry);

  const app = Fastify({ bodyLimit: 16_384, forceCloseConnections: true });
  const sockets = new SocketServer(app.server, {
    transports: ['websocket'],
    serveClient: false,
    maxHttpBufferSize: registry.largestMessageBytes() + MESSAGE_BYTES,
    // A lid that was closed should be noticed within half a minute.
    pingInterval: 10_000,
    pingTimeout: 20_000,
    // `cors` would only add headers; this refuses.
    allowRequest: (request, decide) => decide(null, sameOrigin(request.headers)),
  });
  const contribute: ContributeNamespace = sockets.of(CONTRIBUTE_NAMESPACE);
  const admin: AdminNamespace = sockets.of(ADMIN_NAMESPACE);
  const broadcasts = new Map<string, Throttled>();
  const audience: RunAudience = {
    ...contributorAudience(contribute),
    changed(changedId) {
      let broadcast = broadcasts.get(changedId);
      if (broadcast === undefined) {
        const host = registry.get(changedId);
        // Nobody waits for it, and the next change sends everything again
        const notSent = (error: unknown): void =>
          log('error', `run ${changedId}: its state could not be sent`, error);
        const sendDetail = oneAtATime(() => sendRunDetail(admin, registry, host).catch(notSent));
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
  serveContributors(contribute, registry, log);
  serveAdmins(admin, registry, access, log);

  answerErrors(app, log);
  await sendSecurityHeaders(app);
  await app.register(fastifyCookie);
  addPublicRoutes(app, registry, data.files);
  addIdentityRoutes(app, registry, data.store);
  addAdminRoutes(app, registry, access);
  await addPages(app, options.pages, access);
  await app.listen({ host: options.host, port: options.port });
  registry.start();

  const { port } = app.server.address() as AddressInfo;
  const origin = `http://${nameOf(options.host)}:${port}`;
  return {
    contributeUrl: `${origin}/`,
    adminUrl: `${origin}/admin?token=${encodeURIComponent(adminToken)}`,
    adminToken,
    runId,
    async close() {
      registry.close();
      for (const broadcast of broadcasts.values()) broadcast.cancel();
      // Stops listening and ends the WebSockets; kept-alive HTTP connections would hold it up for a minute.
      const closing = sockets.close();
      app.server.closeAllConnections();
      await closing;
      await app.close();
      data.close();
    },
  };
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

/** The host as a browser on this machine reaches it. */
function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
