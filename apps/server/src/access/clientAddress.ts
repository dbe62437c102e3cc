import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import type { TrustProxy } from '../settings/trustProxy.ts';
import { compileTrust } from '../settings/trustProxy.ts';

export type AddressOf = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string;

/**
 * Whom a request came from: the address of the connection, or what a trusted proxy says. Without one, no header has a
 * say.
 * @returns an IP address in its short form, or "unknown" of a connection that is gone already
 */
export function addressReader(trust: TrustProxy): AddressOf {
  const trusted = compileTrust(trust);
  return (request) => {
    if (request.socket.remoteAddress === undefined) return 'unknown';
    return plainAddress(proxyAddr(request as IncomingMessage, trusted));
  };
}

/**
 * What limits count by: an IPv4 address, or the /64 network of an IPv6 one. A single subscriber has at least a /64, so
 * the last 64 bits tell nobody apart.
 */
export function limitKey(address: string): string {
  if (!isIPv6(address)) return address;
  // As a URL's host an IPv6 address has one spelling
  const [head = '', tail] = new URL(`http://[${address.split('%')[0]}]`).hostname.slice(1, -1).split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = [...front, ...Array<string>(Math.max(0, 8 - front.length - back.length)).fill('0'), ...back];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** IPv4 addresses that a socket for both families shows as IPv6 are IPv4 addresses. Anything long is cut. */
function plainAddress(address: string): string {
  return (/^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address).slice(0, 64);
}
