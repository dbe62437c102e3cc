import { spawnSync } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { openLog } from './log.ts';
import { recordedLog } from './testing/recordedLog.ts';

it('writes a line with time, level, text and fields for each event', () => {
  const { log, lines } = recordedLog();
  log.child({ runId: 'r' }).warn({ round: 3 }, 'slow');
  expect(lines).toEqual([{ level: 'warn', time: expect.any(String), runId: 'r', round: 3, msg: 'slow' }]);
  expect(new Date(lines[0]!.time).toISOString()).toBe(lines[0]!.time);
});

it('writes nothing below its level', () => {
  const { log, lines } = recordedLog({ level: 'warn' });
  log.debug('a');
  log.info('b');
  log.error('c');
  expect(lines.map(({ msg }) => msg)).toEqual(['c']);
});

it('writes what was thrown with its code, its cause and its stack', () => {
  const { log, lines } = recordedLog();
  const cause = new Error('disk on fire');
  log.error({ err: new ChoraleError('STORE_ERROR', 'could not store', { cause }) }, 'failed');
  expect(lines[0]).toMatchObject({
    err: { code: 'STORE_ERROR', message: expect.stringMatching(/could not store/) },
  });
  const { stack } = lines[0]!['err'] as { stack: string };
  expect(stack).toContain('log.test.ts');
  expect(stack).toContain('disk on fire');
});

const SECRET = 'sup3r"secret/+value';

it.each<[string, Record<string, unknown>, string]>([
  ['a field', { adminToken: SECRET }, 'text'],
  ['a field deep inside', { a: [{ b: { headers: { Authorization: `Basic ${SECRET}` } } }] }, 'text'],
  ['a cookie', { headers: { cookie: `chorale_admin=${SECRET}`, 'set-cookie': SECRET } }, 'text'],
  ['an invite', { handshake: { invite: SECRET, inviteCode: SECRET } }, 'text'],
  [
    'an error',
    { err: Object.assign(new Error('no'), { token: SECRET, request: { password: SECRET } }) },
    'text',
  ],
  ['an address', { url: `/admin?a=1&token=${encodeURIComponent(SECRET)}#x` }, 'text'],
  ['an invite link', {}, `open http://h/?run=r&invite=${encodeURIComponent(SECRET)} now`],
  ['a header in a text', {}, `Authorization: Bearer ${encodeURIComponent(SECRET)}`],
])('keeps a secret out of %s', (_, fields, text) => {
  const { log, lines } = recordedLog();
  log.info(fields, text);
  log.child(fields).info(text);
  const written = JSON.stringify(lines);
  expect(written).toContain('[redacted]');
  for (const form of [SECRET, JSON.stringify(SECRET).slice(1, -1), encodeURIComponent(SECRET)]) {
    expect(written).not.toContain(form);
    expect(written).not.toContain(JSON.stringify(form).slice(1, -1));
  }
});

it('keeps the tokens it is told out of everything, however they are written', () => {
  const { log, lines } = recordedLog({ secrets: [SECRET, ''] });
  log.info({ some: SECRET, [SECRET]: 1 }, `text ${SECRET} ${encodeURIComponent(SECRET)}`);
  log.error({ err: new Error(`failed with ${SECRET}`) }, 'x');
  const written = JSON.stringify(lines);
  expect(written).not.toMatch(/sup3r/);
  expect(written).toContain('text [redacted] [redacted]');
});

it('leaves alone what only looks like one', () => {
  const { log, lines } = recordedLog();
  log.info({ inviteId: 'i1', code: 'STORE_FULL', path: '/admin', tokens: null }, 'a token bucket');
  expect(lines[0]).toMatchObject({ inviteId: 'i1', code: 'STORE_FULL', msg: 'a token bucket', tokens: null });
});

it('writes bytes as their number, and no round objects without end', () => {
  const { log, lines } = recordedLog();
  const loop: Record<string, unknown> = { payload: new Float32Array(1000) };
  loop['self'] = loop;
  log.info({ loop }, 'x');
  expect(JSON.stringify(lines[0])).toContain('"4000 bytes"');
  expect(JSON.stringify(lines[0])).toContain('[too deep]');
});

it('writes for people when asked to', async () => {
  const written: string[] = [];
  const destination = new PassThrough().setEncoding('utf8').on('data', (text: string) => written.push(text));
  const log = openLog({ level: 'info', format: 'text', destination });
  log.warn({ round: 3, token: 'abc' }, 'slow');
  await expect
    .poll(() => written.join(''))
    .toMatch(/^\[\d\d:\d\d:\d\d\] WARN: slow \{"round":3,"token":"\[redacted\]"\}\n$/);
});

it.each(['json', 'text'] as const)('throws at nobody when a %s line cannot be written', (format) => {
  let tried = 0;
  const destination = {
    write() {
      tried++;
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  };
  const log = openLog({ level: 'debug', format, destination });
  for (const level of ['debug', 'info', 'warn', 'error'] as const) {
    log[level]({ err: new Error('x') }, 'a');
    log.child({ runId: 'r' })[level]('b');
  }
  expect(tried).toBe(8);
});

it.skipIf(!existsSync('/dev/full')).each(['json', 'text'])(
  'lets its process go on when stderr takes no %s line',
  (format) => {
    const program = `
      import { openLog } from ${JSON.stringify(import.meta.resolve('./log.ts'))};
      const log = openLog({ level: 'info', format: '${format}' });
      for (let k = 0; k < 3000; k++) log.child({ k }).error({ err: new Error('x'.repeat(1000)) }, 'cannot be written');
      setTimeout(() => process.stdout.write('went on'), 100);`;
    const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', openSync('/dev/full', 'w')],
      encoding: 'utf8',
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'went on' });
  },
);
