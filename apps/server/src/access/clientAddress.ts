import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import type { TrustProxy } from '../settings/trustProxy.ts';
import { compileTrust } from '../settings/trustProxy.ts';

export type AddressOf = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string;

/**
 * Whom a request came from: the address of the connection, or what a trusted proxy says. Without one, no header has a
 * say.
 * @param onUntrusted told once of a near address (of this machine or a private network) that says whom it asks for and is
 *   not trusted: likely a proxy that was forgotten
 * @returns an IP address in its short form, or "unknown" of a connection that is gone already
 */
export function addressReader(
  trust: TrustProxy,
  onUntrusted: (proxy: string) => void = () => undefined,
): AddressOf {
  const trusted = compileTrust(trust);
  let told = false;
  return (request) => {
    const peer = request.socket.remoteAddress;
    if (peer === undefined) return 'unknown';
    if (!told && request.headers['x-forwarded-for'] !== undefined && !trusted(peer, 0) && isNear(peer, 0)) {
      told = true;
      onUntrusted(plainAddress(peer));
    }
    return plainAddress(proxyAddr(request as IncomingMessage, trusted));
  };
}

const isNear = compileTrust(['loopback', 'linklocal', 'uniquelocal']);

/**
 * What limits count by: an IPv4 address, or the /64 network of an IPv6 one. A single subscriber has at least a /64, so
 * the last 64 bits tell nobody apart.
 */
export function limitKey(address: string): string {
  return isIPv6(address) ? `${groupsOf(address).slice(0, 4).join(':')}::/64` : address;
}

/** The /48 network of an IPv6 address, which is what a site gets; null of any other. */
export function networkKey(address: string): string | null {
  return isIPv6(address) ? `${groupsOf(address).slice(0, 3).join(':')}::/48` : null;
}

/** Its eight groups. */
function groupsOf(address: string): string[] {
  // As a URL's host an IPv6 address has one spelling
  const [head = '', tail] = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1).split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  return [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
}

/** IPv4 addresses that a socket for both families shows as IPv6 are IPv4 addresses. Anything long is cut. */
export function plainAddress(address: string): string {
  return (/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address).slice(0, 64);
}
