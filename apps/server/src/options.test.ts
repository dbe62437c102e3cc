import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { parseOptions } from './options.ts';
import { REPOSITORY_ROOT } from './models/modelSource.ts';

it('has defaults for everything', () => {
  expect(parseOptions([])).toEqual({
    dataDir: resolve('.data'),
    configPath: resolve(REPOSITORY_ROOT, 'assets/runs/demo.json'),
    port: 8788,
    host: '127.0.0.1',
    pages: {
      contributor: resolve(REPOSITORY_ROOT, 'apps/contributor/dist'),
      admin: resolve(REPOSITORY_ROOT, 'apps/admin/dist'),
    },
    json: false,
    help: false,
  });
});

it('reads every option', () => {
  const args = ['--data-dir', '/d', '--port', '0', '--host', '::', '--config', '/c.json', '--json'];
  expect(parseOptions([...args, '--pages', '/one', '--pages', '/two'])).toEqual({
    dataDir: '/d',
    configPath: '/c.json',
    port: 0,
    host: '::',
    pages: { contributor: '/one', admin: '/two' },
    json: true,
    help: false,
  });
});

it.each([
  [['--port', 'many']],
  [['--port', '70000']],
  [['--pages', '/only-one']],
  [['--unknown']],
  [['positional']],
])('refuses %j', (args) => {
  expect(() => parseOptions(args)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
});
