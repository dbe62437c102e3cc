import Fastify from 'fastify';
import { expect, it } from 'vitest';
import type { TrustProxy } from '../settings/trustProxy.ts';
import { httpServerOptions } from './httpServer.ts';
import { sendSecurityHeaders } from './securityHeaders.ts';

async function headersOf(trustProxy: TrustProxy, publicOrigins: string[] = []) {
  const app = Fastify(httpServerOptions(trustProxy));
  await sendSecurityHeaders(app, publicOrigins);
  app.get('/', () => ({}));
  const { headers } = await app.inject({ url: '/', headers: { 'x-forwarded-proto': 'https' } });
  await app.close();
  return headers;
}

it('asks for https for ever only when a trusted proxy says that it was https', async () => {
  expect((await headersOf(1))['strict-transport-security']).toBe('max-age=31536000');
  expect((await headersOf(['loopback']))['strict-transport-security']).toBe('max-age=31536000');
  expect((await headersOf(false))['strict-transport-security']).toBeUndefined();
  expect((await headersOf(['10.0.0.0/8']))['strict-transport-security']).toBeUndefined();
});

it('lets pages connect to the named addresses, where there are some', async () => {
  const policy = (await headersOf(false, ['https://chorale.example']))['content-security-policy'];
  expect(String(policy).split(';')).toContain("connect-src 'self' wss://chorale.example");
});
