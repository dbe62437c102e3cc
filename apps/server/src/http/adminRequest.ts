import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Access } from '../access/access.ts';
import type { AdminCredentials } from '../adminAccess.ts';
import { ADMIN_COOKIE } from '../adminAccess.ts';
import { ownPageOnly } from './ownPage.ts';

/** What a request could show that it is an admin's. */
export function credentialsOf(request: FastifyRequest, access: Access): AdminCredentials {
  return {
    session: request.cookies[ADMIN_COOKIE],
    authorization: request.headers.authorization,
    address: access.addressOf(request.raw),
  };
}

/** Who asks, for the audit log. @throws {ChoraleError} ADMIN_REQUIRED, RATE_LIMITED */
export function actorOf(request: FastifyRequest, access: Access): { actor: string; address: string } {
  const credentials = credentialsOf(request, access);
  return { actor: access.admin.require(credentials), address: credentials.address };
}

/** Lets only admins, from our own pages or none, to the routes of this plugin; no answer is kept anywhere. */
export function adminsOnly(plugin: FastifyInstance, access: Access): void {
  plugin.addHook('onRequest', async (request, reply) => {
    // Reading too: a signed-in browser sends its cookie along from other ports of this machine
    ownPageOnly(request, access);
    access.admin.require(credentialsOf(request, access));
    reply.header('cache-control', 'no-store');
  });
}
