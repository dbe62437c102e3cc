import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastifyCookie from '@fastify/cookie';
import Fastify from 'fastify';
import { afterAll, expect, it } from 'vitest';
import { testAccess } from '../access/access.fixture.ts';
import { addPages } from './pages.ts';

const directory = mkdtempSync(join(tmpdir(), 'chorale-cookies-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Signs in through the real pages, with a header that says https, and reads what the cookie allows. */
async function cookieFlags(trustProxy: boolean): Promise<string[]> {
  const admin = join(directory, 'admin');
  mkdirSync(admin, { recursive: true });
  writeFileSync(join(admin, 'index.html'), '<!doctype html>');
  const app = Fastify({ trustProxy });
  await app.register(fastifyCookie);
  await addPages(app, { contributor: directory, admin }, testAccess().access);
  const response = await app.inject({
    url: '/admin?token=the-token',
    headers: { 'x-forwarded-proto': 'https' },
  });
  await app.close();
  const [, ...flags] = String(response.headers['set-cookie']).split('; ');
  return flags.toSorted();
}

it('goes over https only when it came over https, which no header of a stranger decides', async () => {
  expect(await cookieFlags(true)).toEqual([
    'HttpOnly',
    'Max-Age=2592000',
    'Path=/',
    'SameSite=Strict',
    'Secure',
  ]);
  expect(await cookieFlags(false)).toEqual(['HttpOnly', 'Max-Age=2592000', 'Path=/', 'SameSite=Strict']);
});
