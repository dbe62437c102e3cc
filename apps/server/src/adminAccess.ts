import type { Store } from '@chorale/store';
import { hashToken, randomToken, tokenMatches } from './identity.ts';

export const ADMIN_COOKIE = 'chorale_admin';
export const SESSION_SECONDS = 30 * 24 * 3600;

/** Who may steer: holders of the admin token, and browsers that signed in with one. */
export type AdminAccess = {
  /** Exchanges the token for a session secret; undefined when the token is wrong. */
  signIn(token: string): string | undefined;
  /** @param request what came with it: a session cookie, or an Authorization header */
  allows(request: { session?: string | undefined; authorization?: string | undefined }): boolean;
};

/** @param token the token that is valid from now on; only its hash is kept, and earlier tokens end; browsers that
 * signed in before stay signed in until their session ends */
export function openAdminAccess(store: Store, token: string): AdminAccess {
  store.setAdminTokenHash(hashToken(token));
  const isToken = (candidate: string): boolean => {
    const hash = store.getAdminTokenHash();
    return hash !== undefined && tokenMatches(candidate, hash);
  };
  return {
    signIn(candidate) {
      if (!isToken(candidate)) return undefined;
      const session = randomToken();
      store.addSession(hashToken(session), Date.now() + SESSION_SECONDS * 1000, Date.now());
      return session;
    },
    allows({ session, authorization }) {
      const bearer = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
      if (bearer !== undefined && isToken(bearer)) return true;
      return session !== undefined && store.hasSession(hashToken(session), Date.now());
    },
  };
}
