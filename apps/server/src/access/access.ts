import type { Store } from '@chorale/store';
import type { AdminAccess } from '../adminAccess.ts';
import { openAdminAccess } from '../adminAccess.ts';
import type { Log } from '../log.ts';
import type { Observer } from '../observer.ts';
import type { Audit } from './audit.ts';
import { openAudit } from './audit.ts';
import type { TrustProxy } from '../settings/trustProxy.ts';
import type { AddressOf } from './clientAddress.ts';
import { addressReader, limitKey } from './clientAddress.ts';
import type { Limits } from './limits.ts';
import type { OriginRule } from './origins.ts';
import { originRule } from './origins.ts';
import { KeyedBuckets } from './tokenBucket.ts';

export type AccessOptions = {
  store: Store;
  adminToken: string;
  /** As `openAdminAccess` has it. */
  adminTokenIsSet: boolean;
  limits: Limits;
  publicOrigins: readonly string[];
  trustProxy: TrustProxy;
  log: Log;
  observer: Observer;
  now?: () => number;
};

/** Who gets in, and how much each may ask for: what sockets and HTTP share. */
export type Access = {
  readonly admin: AdminAccess;
  readonly audit: Audit;
  readonly limits: Limits;
  readonly publicOrigins: readonly string[];
  readonly addressOf: AddressOf;
  readonly isOwnOrigin: OriginRule;
  readonly observer: Observer;
  readonly now: () => number;
  /** Whether an address may make one more HTTP request or WebSocket handshake; counts it. */
  takeRequest(address: string): boolean;
  /** Whether an address may make one more new contributor; counts her. */
  takeNewcomer(address: string): boolean;
  /** From `beginClosing` on, what comes in is refused with SERVER_CLOSING. */
  readonly closing: boolean;
  beginClosing(): void;
};

/** Opens the access to a server and writes down that it starts. */
export function openAccess(options: AccessOptions): Access {
  const { store, limits, log, now = Date.now } = options;
  const audit = openAudit(store, log, now);
  audit.record('server-start');
  const requests = perAddress(limits.requestsPerMinutePerAddress, 60);
  const newcomers = perAddress(limits.joinsPerAddressPerHour, 3600);
  let closing = false;
  return {
    admin: openAdminAccess(options.adminToken, {
      store,
      audit,
      log,
      tokenIsSet: options.adminTokenIsSet,
      signInsPerMinutePerAddress: limits.signInsPerMinutePerAddress,
      now,
    }),
    audit,
    limits,
    publicOrigins: options.publicOrigins,
    addressOf: addressReader(options.trustProxy, (proxy) =>
      log.warn(
        { proxy },
        'X-Forwarded-For comes from an address that trustProxy does not name, so all behind it count as one: add it if it is your proxy',
      ),
    ),
    isOwnOrigin: originRule(options.publicOrigins),
    observer: options.observer,
    now,
    takeRequest: (address) => requests.take(limitKey(address), now()),
    takeNewcomer: (address) => newcomers.take(limitKey(address), now()),
    get closing() {
      return closing;
    },
    beginClosing() {
      closing = true;
    },
  };
}

function perAddress(count: number, seconds: number): KeyedBuckets {
  return new KeyedBuckets({ capacity: count, perSecond: count / seconds });
}
