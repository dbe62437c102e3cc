import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { parseMessage } from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import { ADMIN_COOKIE } from '../adminAccess.ts';
import { adminsOnly, credentialsOf } from './adminRequest.ts';

/** At most so many entries in one answer. */
const MOST_ENTRIES = 500;

const auditQuerySchema = z.strictObject({
  before: z.coerce.number().int().min(1).optional(),
  limit: z.coerce.number().int().min(1).max(MOST_ENTRIES).default(100),
});

/** Who is signed in, signing out, a new token, and what was done. */
export function addAdminAccessRoutes(app: FastifyInstance, access: Access): void {
  app.get('/api/admin/session', (request, reply) =>
    reply
      .header('cache-control', 'no-store')
      .send({ signedIn: access.admin.actorOf(credentialsOf(request, access)) !== null }),
  );

  // For anybody: who is not signed in is signed out already
  app.post('/api/admin/sign-out', (request, reply) => {
    const { session, address } = credentialsOf(request, access);
    if (session !== undefined) access.admin.signOut(session, address);
    return reply
      .clearCookie(ADMIN_COOKIE, { path: '/', httpOnly: true, sameSite: 'strict' })
      .header('cache-control', 'no-store')
      .status(204)
      .send();
  });

  void app.register(
    (admin, _options, done) => {
      adminsOnly(admin, access);
      // The only time that the new token is told
      admin.post('/token/rotate', (request) => ({
        token: access.admin.rotate(credentialsOf(request, access)),
      }));
      admin.get('/audit', (request) => {
        const { before, limit } = parseMessage(auditQuerySchema, request.query, 'audit');
        return { entries: access.audit.list(limit, before ?? null) };
      });
      done();
    },
    { prefix: '/api/admin' },
  );
}
