import type { AnchorHTMLAttributes, MouseEvent } from 'react';
import { useMemo, useSyncExternalStore } from 'react';
import { parseRoute, pathOf } from './route.ts';
import type { Route } from './route.ts';

const listeners = new Set<() => void>();

function subscribe(onChange: () => void): () => void {
  listeners.add(onChange);
  addEventListener('popstate', onChange);
  return () => {
    listeners.delete(onChange);
    removeEventListener('popstate', onChange);
  };
}

/** The present screen, from the address. */
export function useRoute(): Route {
  const path = useSyncExternalStore(subscribe, () => location.pathname);
  return useMemo(() => parseRoute(path), [path]);
}

// While developing, `?fake=1` stays in the address from screen to screen.
const hrefOf = (route: Route) => pathOf(route) + (import.meta.env.DEV ? location.search : '');

export type LinkProps = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, 'href'> & { to: Route };

/** A real link, so that it can be copied and opened in another tab; a plain click stays on the page. */
export function Link({ to, children, ...rest }: LinkProps) {
  const href = hrefOf(to);
  const follow = (event: MouseEvent) => {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    history.pushState(null, '', href);
    scrollTo(0, 0);
    for (const listener of listeners) listener();
  };
  return (
    <a {...rest} href={href} onClick={follow}>
      {children}
    </a>
  );
}
