import type { Wakeup, Wakeups } from './wakeups.ts';
import { sleepWakeups } from './wakeups.ts';

/** Network Information API, where there is one. */
type NetworkInformation = EventTarget & { type?: string; saveData?: boolean };

/** @returns undefined where the browser has no such thing */
export function networkInformation(): NetworkInformation | undefined {
  return 'connection' in navigator ? (navigator.connection as NetworkInformation | undefined) : undefined;
}

/** What a browser tells a page about sleep and networks. */
export const browserWakeups: Wakeups = (listener) => {
  const asleep = sleepWakeups(() => document.visibilityState === 'hidden')(listener);
  const gone = new AbortController();
  const on = (target: EventTarget, event: string, what: () => Wakeup | null) =>
    target.addEventListener(
      event,
      () => {
        const wakeup = what();
        if (wakeup) listener(wakeup);
      },
      { signal: gone.signal },
    );
  on(globalThis, 'online', () => 'network-changed');
  on(globalThis, 'offline', () => 'network-lost');
  // Page Lifecycle: the page was frozen. A page that comes out of the back-forward cache was, too.
  on(document, 'resume', () => 'slept');
  globalThis.addEventListener(
    'pageshow',
    ({ persisted }) => {
      if (persisted) listener('slept');
    },
    { signal: gone.signal },
  );
  on(document, 'visibilitychange', () => (document.visibilityState === 'visible' ? 'looked-at' : null));
  const network = networkInformation();
  let type = network?.type;
  if (network) {
    // It also fires on every new estimate of the speed
    on(network, 'change', () => {
      const changed = network.type !== type;
      type = network.type;
      return changed ? 'network-changed' : null;
    });
  }
  return () => {
    asleep();
    gone.abort();
  };
};
