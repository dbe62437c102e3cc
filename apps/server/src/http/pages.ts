import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { ChoraleError, wireError } from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import { ADMIN_COOKIE, SESSION_SECONDS } from '../adminAccess.ts';
import { secretCookie } from './secretCookie.ts';

/** Folders with the built pages. */
export type PageFolders = { contributor: string; admin: string };

/** Serves the contributor page at `/` and the admin page at `/admin`; the admin link signs in on the way. */
export async function addPages(app: FastifyInstance, folders: PageFolders, access: Access): Promise<void> {
  const contributorBuilt = existsSync(join(folders.contributor, 'index.html'));
  const adminBuilt = existsSync(join(folders.admin, 'index.html'));

  if (contributorBuilt) await app.register(fastifyStatic, { root: folders.contributor, ...FILES });
  else app.get('/', (_request, reply) => notBuilt(reply));
  if (adminBuilt) {
    await app.register(fastifyStatic, {
      root: folders.admin,
      prefix: '/admin/',
      decorateReply: !contributorBuilt,
      ...FILES,
    });
  }

  const adminPage = (reply: FastifyReply): FastifyReply =>
    adminBuilt ? reply.sendFile('index.html', folders.admin) : notBuilt(reply);

  app.get<{ Querystring: { token?: unknown } }>('/admin', (request, reply) => {
    const { token } = request.query;
    // Who asks for the headers only, as programs that look at links do, signs nobody in
    if (token === undefined || request.method === 'HEAD') return adminPage(reply);
    let session: string;
    try {
      session = access.admin.signIn(typeof token === 'string' ? token : '', access.addressOf(request.raw));
    } catch (error) {
      const { code, message } = wireError(error);
      if (code === 'RATE_LIMITED') return sendPage(reply.status(429), 'Too many wrong links', message);
      if (code !== 'ADMIN_REQUIRED') throw error;
      return sendPage(
        reply.status(401),
        'This link has expired',
        'Use the admin link that the server printed when it last started, or the newest that an admin made.',
      );
    }
    return reply
      .setCookie(ADMIN_COOKIE, session, secretCookie(request, { path: '/', keptSeconds: SESSION_SECONDS }))
      .header('cache-control', 'no-store')
      .redirect('/admin', 303);
  });

  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    // Addresses inside the admin page are the page's own; files that are missing are not.
    if (request.method === 'GET' && path.startsWith('/admin/') && !/\.\w+$/.test(path))
      return adminPage(reply);
    const error = new ChoraleError(
      'MESSAGE_INVALID',
      `expected an address of this server, got ${request.method} ${path}`,
    );
    return reply.status(404).send({ error: wireError(error) });
  });
}

/** Vite puts a hash into the names under `assets/`; everything else may change with the next build. */
const FILES = {
  cacheControl: false,
  setHeaders(reply: FastifyReply, path: string): void {
    const hashed = /[\\/]assets[\\/]/.test(path);
    reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
  },
};

function notBuilt(reply: FastifyReply): FastifyReply {
  return sendPage(
    reply.status(503),
    'The pages are not built yet',
    'Run <code>npm run build</code> in the repository, then start the server again.',
  );
}

function sendPage(reply: FastifyReply, title: string, text: string): FastifyReply {
  return reply
    .type('text/html; charset=utf-8')
    .header('cache-control', 'no-store')
    .send(
      `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="/favicon.svg"><title>${title} · Chorale</title><h1>${title}</h1><p>${text}</p></html>`,
    );
}
