import { ChoraleError } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { Audit } from './access/audit.ts';
import { limitKey } from './access/clientAddress.ts';
import { KeyedBuckets } from './access/tokenBucket.ts';
import { hashToken, randomToken, tokenMatches } from './identity.ts';
import type { Log } from './log.ts';

export const ADMIN_COOKIE = 'chorale_admin';
export const SESSION_SECONDS = 30 * 24 * 3600;

/** What came with a request that could show that it is an admin's. */
export type AdminCredentials = {
  /** The session cookie. */
  session?: string | undefined;
  /** The Authorization header. */
  authorization?: string | undefined;
  /** Where it came from. */
  address: string;
};

/** Who may steer: holders of the admin token, and browsers that signed in with it. */
export type AdminAccess = {
  /**
   * Exchanges the token for a session secret.
   * @throws {ChoraleError} ADMIN_REQUIRED: the token is wrong; RATE_LIMITED: too many were
   */
  signIn(token: string, address: string): string;
  /**
   * @returns the short name of the session or token in the audit log; null when there is none that is valid
   * @throws {ChoraleError} RATE_LIMITED: too many wrong tokens came from there
   */
  actorOf(credentials: AdminCredentials): string | null;
  /** `actorOf` with null as an error. @throws {ChoraleError} ADMIN_REQUIRED, RATE_LIMITED */
  require(credentials: AdminCredentials): string;
  /** Whether what let somebody in is valid still; counts and writes nothing. */
  holds(credentials: AdminCredentials): boolean;
  /** Whether this token is the valid one; for the server's own. */
  holdsToken(token: string): boolean;
  signOut(session: string, address: string): void;
  /**
   * Makes a new token; the old one and all sessions but this one end.
   * @returns the token: told once, here
   */
  rotate(credentials: AdminCredentials): string;
  /** Has `listener` called whenever sessions or tokens ended. */
  onEnded(listener: () => void): void;
};

export type AdminAccessOptions = {
  store: Store;
  audit: Audit;
  log: Log;
  /** The token is the operator's choice, not one that this start made. */
  tokenIsSet: boolean;
  /** Wrong tokens per minute and address. */
  signInsPerMinutePerAddress: number;
  now?: () => number;
};

/**
 * @param token the token that is valid from now on, unless an admin has replaced it by another; only its hash is kept, and
 *   earlier tokens end. Browsers that signed in before stay signed in until their session ends, but not when the operator
 *   set another token.
 */
export function openAdminAccess(token: string, options: AdminAccessOptions): AdminAccess {
  const { store, audit, signInsPerMinutePerAddress: perMinute, now = Date.now } = options;
  takeToken(token, options);
  const wrongTokens = new KeyedBuckets({ capacity: perMinute, perSecond: perMinute / 60 });
  const listeners: (() => void)[] = [];
  const ended = (): void => {
    for (const listener of listeners) listener();
  };

  const holdsToken = (candidate: string): boolean => {
    const hash = store.getAdminTokenHash();
    return hash !== undefined && tokenMatches(candidate, hash);
  };
  /** Whether it is the token. Before the look, so that who guesses learns nothing any more at the limit. */
  const isToken = (candidate: string, address: string): boolean => {
    const key = limitKey(address);
    if (!wrongTokens.has(key, now())) {
      throw new ChoraleError(
        'RATE_LIMITED',
        `expected at most ${perMinute} wrong admin tokens a minute from one address; wait a minute`,
      );
    }
    if (holdsToken(candidate)) return true;
    wrongTokens.take(key, now());
    audit.record('sign-in-refused', { address });
    return false;
  };
  const addSession = (session: string): void =>
    store.addSession(hashToken(session), now() + SESSION_SECONDS * 1000, now());
  const hasSession = (session: string | undefined): session is string =>
    session !== undefined && store.hasSession(hashToken(session), now());

  const bearerOf = (authorization: string | undefined): string | undefined =>
    /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];

  const actorOf = ({ session, authorization, address }: AdminCredentials): string | null => {
    if (hasSession(session)) return shortName(session);
    const bearer = bearerOf(authorization);
    return bearer !== undefined && isToken(bearer, address) ? shortName(bearer) : null;
  };

  return {
    actorOf,
    require(credentials) {
      const actor = actorOf(credentials);
      if (actor !== null) return actor;
      throw adminRequired();
    },
    holds({ session, authorization }) {
      const bearer = bearerOf(authorization);
      return hasSession(session) || (bearer !== undefined && holdsToken(bearer));
    },
    holdsToken,
    signIn(candidate, address) {
      if (!isToken(candidate, address)) throw adminRequired();
      const session = randomToken();
      audit.record('sign-in', { actor: shortName(session), address });
      addSession(session);
      return session;
    },
    signOut(session, address) {
      if (!hasSession(session)) return;
      store.endSession(hashToken(session));
      ended();
      audit.record('sign-out', { actor: shortName(session), address });
    },
    rotate({ session, authorization, address }) {
      const actor = actorOf({ session, authorization, address });
      if (actor === null) throw adminRequired();
      // Written down first: without it there is no new token
      audit.record('token-rotated', { actor, address });
      const keep = hasSession(session);
      const rotated = randomToken();
      store.replaceAdminToken(hashToken(rotated));
      if (keep) addSession(session);
      ended();
      return rotated;
    },
    onEnded: (listener) => void listeners.push(listener),
  };
}

function takeToken(token: string, { store, log, tokenIsSet }: AdminAccessOptions): void {
  const hash = hashToken(token);
  const before = store.getAdminTokenHash();
  if (before === hash) return;
  if (store.isRetiredAdminToken(hash)) {
    log.error(
      'CHORALE_ADMIN_TOKEN is a token that an admin has replaced, so it lets nobody in; put the newest one there, or one that was never used',
    );
    return;
  }
  if (tokenIsSet) store.endAllSessions();
  store.setAdminTokenHash(hash);
}

/** First 8 hexadecimal digits of the hash of a secret: tells two apart, and is of no use to anybody else. */
export function shortName(secret: string): string {
  return hashToken(secret).slice(0, 8);
}

function adminRequired(): ChoraleError {
  return new ChoraleError(
    'ADMIN_REQUIRED',
    'sign in with the admin link that the server printed when it started',
  );
}
