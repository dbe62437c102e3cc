import Fastify from 'fastify';
import { expect, it } from 'vitest';
import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError, ERROR_CODES } from '@chorale/protocol';
import { noObserver } from '../observer.ts';
import { problemsOf, recordedLog } from '../testing/recordedLog.ts';
import { HTTP_STATUS, answerErrors } from './httpErrors.ts';

const codes = Object.keys(ERROR_CODES) as ErrorCode[];

it('answers every code of the one table with its own status; only code, message and retryable cross the wire', async () => {
  const refused: string[] = [];
  const { log, lines } = recordedLog();
  const app = Fastify();
  answerErrors(app, log, { ...noObserver, refused: (what, code) => refused.push(`${what} ${code}`) });
  app.get<{ Params: { code: ErrorCode } }>('/throws/:code', ({ params }) => {
    throw new ChoraleError(params.code, `about ${params.code}`, { cause: new Error('/home/secret') });
  });
  app.get('/fails', () => {
    throw Object.assign(new Error('cannot open /home/secret'), { code: 'ENOENT', path: '/home/secret' });
  });
  app.post('/body', () => ({}));

  expect(Object.keys(HTTP_STATUS).toSorted()).toEqual(codes.toSorted());
  for (const code of codes) {
    const response = await app.inject(`/throws/${code}`);
    expect([code, response.statusCode]).toEqual([code, HTTP_STATUS[code]]);
    expect(response.statusCode).toBeGreaterThanOrEqual(400);
    const message = `about ${code}`;
    expect(response.json()).toEqual({ error: { code, message, retryable: ERROR_CODES[code].retryable } });
  }
  const unforeseen = await app.inject('/fails');
  expect([unforeseen.statusCode, unforeseen.body.includes('secret')]).toEqual([500, false]);
  expect(problemsOf(lines)).toContain('GET /fails');
  const failure = lines.find(({ msg }) => msg === 'GET /fails');
  expect(failure).toMatchObject({ requestId: expect.stringMatching(/^req-/) as string });
  const noJson = await app.inject({
    method: 'POST',
    url: '/body',
    headers: { 'content-type': 'application/json' },
    body: '{',
  });
  expect([noJson.statusCode, noJson.json()]).toMatchObject([400, { error: { code: 'MESSAGE_INVALID' } }]);
  expect(refused).toContain('request RATE_LIMITED');
  await app.close();
});
