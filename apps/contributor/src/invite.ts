/** Where a tab keeps the invite to a run until it has joined: each run's own, since a code is good for one run only. */
const storageKey = ({ location }: Pick<InvitePlace, 'location'>): string =>
  `chorale-invite:${new URLSearchParams(location.search).get('run') ?? 'current'}`;

/** The window's parts that an invite comes from and goes to. */
export type InvitePlace = {
  location: Pick<Location, 'hash' | 'pathname' | 'search'>;
  history: Pick<History, 'replaceState' | 'state'>;
  sessionStorage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
};

/**
 * Takes the invite out of the address, `#invite=CODE`, so that nobody who looks over her shoulder or gets the link from
 * her bar has it; a fragment is never sent to a server. It stays with this tab until `forgetInvite`.
 * @returns null when neither the address nor this tab has one
 */
export function takeInvite(place: InvitePlace): string | null {
  const { location, history, sessionStorage } = place;
  const key = storageKey(place);
  const code = new URLSearchParams(location.hash.slice(1)).get('invite');
  if (code === null) return tryTo(() => sessionStorage.getItem(key));
  history.replaceState(history.state, '', location.pathname + location.search);
  tryTo(() => sessionStorage.setItem(key, code));
  return code;
}

/**
 * An invite that comes into an open tab: pasting its link there changes the fragment only, which loads nothing. Whoever
 * takes part already needs none, and goes on; for everybody else the page begins again with it.
 */
export function onInvitePasted(
  place: InvitePlace,
  { takesPart, reload }: { takesPart: () => boolean; reload: () => void },
): void {
  if (!new URLSearchParams(place.location.hash.slice(1)).has('invite')) return;
  takeInvite(place);
  if (takesPart()) forgetInvite(place);
  else reload();
}

/** She has joined: from now on her identity lets her in. */
export function forgetInvite(place: Pick<InvitePlace, 'sessionStorage' | 'location'>): void {
  tryTo(() => place.sessionStorage.removeItem(storageKey(place)));
}

/** Where a page may keep nothing, the code holds for this load of it. */
function tryTo<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
