import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { cookieBackup } from './identityBackup.ts';
import { ScriptedServer, publicRun } from './testing/scriptedServer.ts';

const IDENTITY = {
  contributorId: 'contributor1',
  token: 'a-token-of-this-contributor',
  planHash: 'a'.repeat(64),
};
const NOT_NOW = { name: 'ChoraleError', code: 'DISCONNECTED', retryable: true };

let server: ScriptedServer;
let asked: { method: string; url: string; body: string }[];
let answer: { status: number; body: string };

beforeEach(async () => {
  server = new ScriptedServer(await publicRun());
  asked = [];
  answer = { status: 200, body: '{"identity":null}' };
  server.onRequest = (request, response) => {
    let body = '';
    request.on('data', (data: Buffer) => (body += data.toString()));
    request.on('end', () => {
      asked.push({ method: request.method!, url: request.url!, body });
      response.writeHead(answer.status).end(answer.body);
    });
  };
  await server.start();
});
afterEach(async () => {
  vi.unstubAllGlobals();
  await server.stop();
});

/** As on a page of this origin. */
function onPageOf(url: string) {
  vi.stubGlobal('location', { origin: new URL(url).origin });
  return cookieBackup(server.url);
}

describe('the backup', () => {
  test('is asked and told at the address of the run', async () => {
    const backup = onPageOf(server.url)!;
    expect(await backup.read('run-1')).toBeNull();
    answer.body = JSON.stringify({ identity: IDENTITY });
    expect(await backup.read('run-1')).toEqual(IDENTITY);
    await backup.save('run-1', IDENTITY);
    expect(asked).toMatchObject([
      { method: 'GET', url: '/api/runs/run-1/identity' },
      { method: 'GET', url: '/api/runs/run-1/identity' },
      { method: 'POST', url: '/api/runs/run-1/identity', body: JSON.stringify(IDENTITY) },
    ]);
  });

  test('is none on a page of another origin, and outside browsers', () => {
    expect(onPageOf('http://elsewhere.example/')).toBeNull();
    vi.unstubAllGlobals();
    expect(cookieBackup(server.url)).toBeNull();
  });

  test.each([
    [404, '{}'],
    [404, '{"identity":null}'],
    [503, '{"identity":null}'],
    [500, JSON.stringify({ identity: IDENTITY })],
    [200, 'not json'],
    [200, '{}'],
    [200, '{"identity":{"contributorId":"contributor1"}}'],
    [200, JSON.stringify({ identity: { ...IDENTITY, planHash: undefined } })],
    [200, JSON.stringify({ identity: { ...IDENTITY, more: 1 } })],
  ])('that answers %d %s did not say that it knows nobody: it is to be asked again', async (status, body) => {
    answer = { status, body };
    await expect(onPageOf(server.url)!.read('run-1')).rejects.toMatchObject(NOT_NOW);
  });

  test('of a server that is gone is to be asked again', async () => {
    const backup = onPageOf(server.url)!;
    await server.stop();
    await expect(backup.read('run-1')).rejects.toMatchObject(NOT_NOW);
    await expect(backup.save('run-1', IDENTITY)).rejects.toMatchObject(NOT_NOW);
  });

  test.each([403, 429, 500])('that answers %d to what it should keep did not keep it', async (status) => {
    answer = { status, body: '' };
    await expect(onPageOf(server.url)!.save('run-1', IDENTITY)).rejects.toMatchObject(NOT_NOW);
  });
});
