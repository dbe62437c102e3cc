import type { CookieSerializeOptions } from '@fastify/cookie';
import type { FastifyRequest } from 'fastify';

/**
 * How a cookie with a secret is kept: no script reads it, no other site has it sent, and what came over https goes over
 * nothing else. A header that anybody could send does not decide that, only the connection as fastify sees it.
 */
export function secretCookie(
  request: FastifyRequest,
  { path, keptSeconds }: { path: string; keptSeconds: number },
): CookieSerializeOptions {
  return {
    path,
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https',
    maxAge: keptSeconds,
  };
}
