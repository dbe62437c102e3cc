/** The screens, each with its own address. */
export type Route =
  { screen: 'runs' } | { screen: 'log' } | { screen: 'run'; runId: string } | { screen: 'unknown' };

/** @param path as `location.pathname` gives it */
export function parseRoute(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts[0] !== 'admin') return { screen: 'unknown' };
  if (parts.length === 1 || (parts.length === 2 && (parts[1] === 'runs' || parts[1] === 'index.html'))) {
    return { screen: 'runs' };
  }
  if (parts.length === 2 && parts[1] === 'log') return { screen: 'log' };
  const [, section, runId] = parts;
  // Run ids need no escaping (`resolvedRunSchema`), so anything escaped is no run.
  if (parts.length === 3 && section === 'runs' && runId !== undefined && /^[a-z0-9-]{1,64}$/.test(runId)) {
    return { screen: 'run', runId };
  }
  return { screen: 'unknown' };
}

export function pathOf(route: Route): string {
  if (route.screen === 'run') return `/admin/runs/${route.runId}`;
  return route.screen === 'log' ? '/admin/log' : '/admin/';
}
