import type { FastifyRequest } from 'fastify';
import { ChoraleError } from '@chorale/protocol';
import type { Access } from '../access/access.ts';

/**
 * Refuses what pages other than our own make a browser ask for. A page of another port of this machine gets SameSite
 * cookies sent too, and a plain GET carries no Origin; browsers of today say with every request where it comes from.
 * Programs say nothing of the kind.
 * @throws {ChoraleError} ORIGIN_REFUSED
 */
export function ownPageOnly({ headers }: Pick<FastifyRequest, 'headers'>, access: Access): void {
  const site = headers['sec-fetch-site'];
  if (!access.isOwnOrigin(headers) || (site !== undefined && site !== 'same-origin')) {
    throw new ChoraleError('ORIGIN_REFUSED', "expected a request from this server's own page");
  }
}
