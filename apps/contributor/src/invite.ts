/** Where a tab keeps its invite until it has joined. */
const STORAGE_KEY = 'chorale-invite';

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
export function takeInvite({ location, history, sessionStorage }: InvitePlace): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get('invite');
  if (code === null) return tryTo(() => sessionStorage.getItem(STORAGE_KEY));
  history.replaceState(history.state, '', location.pathname + location.search);
  tryTo(() => sessionStorage.setItem(STORAGE_KEY, code));
  return code;
}

/** She has joined: from now on her identity lets her in. */
export function forgetInvite({ sessionStorage }: Pick<InvitePlace, 'sessionStorage'>): void {
  tryTo(() => sessionStorage.removeItem(STORAGE_KEY));
}

/** Where a page may keep nothing, the code holds for this load of it. */
function tryTo<T>(work: () => T): T | null {
  try {
    return work();
  } catch {
    return null;
  }
}
