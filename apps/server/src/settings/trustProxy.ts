import { isIP } from 'node:net';
import proxyAddr from '@fastify/proxy-addr';
import { z } from 'zod';

const NAMED_RANGES = ['loopback', 'linklocal', 'uniquelocal'];
const MOST_HOPS = 10;

const EXPECTED = `expected false, a number of proxies from 1 to ${MOST_HOPS}, or a list of addresses and ranges like 10.0.0.0/8, loopback`;

const range = z.string().refine(isRange, {
  error: ({ input }) =>
    `expected an address, a range like 10.0.0.0/8, or one of ${NAMED_RANGES.join(', ')}, got ${JSON.stringify(input)}`,
});

/**
 * Whose `X-Forwarded-*` headers count (`compileTrust`): nobody's; those of so many proxies counted from this
 * server outwards; or those of proxies at these addresses. There is no "everybody": then any contributor could choose the
 * address she is counted under.
 */
export const trustProxySchema = z
  .union([z.literal(false), z.int(), z.array(range).min(1)], { error: EXPECTED })
  .refine((value) => typeof value !== 'number' || (value >= 1 && value <= MOST_HOPS), { error: EXPECTED });

export type TrustProxy = z.infer<typeof trustProxySchema>;

/** @param hop 0 is who connected to this server, 1 the last address in X-Forwarded-For, … */
export type TrustFunction = (address: string, hop: number) => boolean;

/** The one decision that requests and sockets share: whether the address so many hops away is a proxy of ours. */
export function compileTrust(trustProxy: TrustProxy): TrustFunction {
  if (trustProxy === false) return () => false;
  if (typeof trustProxy === 'number') return (_address, hop) => hop < trustProxy;
  return proxyAddr.compile(trustProxy);
}

function isRange(text: string): boolean {
  if (NAMED_RANGES.includes(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  if (bits === undefined) return true;
  // A range of all addresses would be "everybody"
  return /^\d{1,3}$/.test(bits) && Number(bits) >= 1 && Number(bits) <= (family === 4 ? 32 : 128);
}
