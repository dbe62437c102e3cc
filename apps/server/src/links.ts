import type { RunHost } from './runs/runHost.ts';

/** A run that this server was started with, and where people open it. */
export type RunLink = { runId: string; name: string; url: string };

/**
 * The address under which people open the pages: the first public origin, else the host as a browser of this machine
 * reaches it.
 */
export function originOf(publicOrigins: readonly string[], host: string, port: number): string {
  return publicOrigins[0] ?? `http://${nameOf(host)}:${port}`;
}

/** The contributor page opens the newest run by itself; of several each has its own link. */
export function linkTo({ run }: RunHost, origin: string): RunLink {
  return {
    runId: run.runId,
    name: run.plan.config.name,
    url: `${origin}/?run=${encodeURIComponent(run.runId)}`,
  };
}

function nameOf(host: string): string {
  if (host === '0.0.0.0' || host === '::') return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
