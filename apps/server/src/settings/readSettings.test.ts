import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChoraleError } from '@chorale/protocol';
import { DEFAULT_LIMITS } from '../access/limits.ts';
import { REPOSITORY_ROOT } from '../models/modelSource.ts';
import type { CommandLine } from './readSettings.ts';
import { readSettings } from './readSettings.ts';
import { defaultText, settingLines, shownSettings, usage } from './show.ts';
import { SETTING_ENTRIES } from './schema.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-settings-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function file(content: unknown, name = 'chorale.json'): string {
  const path = join(directory, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** The problems it refuses with, one each. */
function problems(args: string[], env: Record<string, string> = {}): string[] {
  try {
    readSettings(args, env);
  } catch (error) {
    if (error instanceof ChoraleError && error.code === 'CONFIG_INVALID') return error.message.split('\n');
    throw error;
  }
  return [];
}

const sourceOf = (read: CommandLine, name: string) => read.sources.get(name);

describe('what is in force', () => {
  it('is the default of everything when nobody says anything', () => {
    const read = readSettings([], { PATH: '/bin', CHORALE_PORT: '', CHORALE_CHROMIUM: '/usr/bin/chromium' });
    expect(read.settings).toEqual({
      dataDir: resolve('.data'),
      configs: [resolve(REPOSITORY_ROOT, 'assets/runs/demo.json')],
      host: '127.0.0.1',
      port: 8788,
      publicOrigins: [],
      trustProxy: false,
      keepUpdates: 'none',
      logLevel: 'info',
      logFormat: 'auto',
      metricsToken: null,
      adminToken: null,
      limits: DEFAULT_LIMITS,
      shutdownSeconds: 20,
      pages: [resolve(REPOSITORY_ROOT, 'apps/contributor/dist'), resolve(REPOSITORY_ROOT, 'apps/admin/dist')],
    });
    expect([...new Set(read.sources.values())]).toEqual(['default']);
    expect(read).toMatchObject({ json: false, help: false, printSettings: false, newRun: false });
    expect(readSettings(['--new-run'], {}).newRun).toBe(true);
  });

  it('is the command line before the environment before the file, each setting for itself', () => {
    const path = file({
      port: 1,
      host: 'file.example',
      shutdownSeconds: 3,
      limits: { joinsPerAddressPerHour: 4 },
    });
    const env = {
      CHORALE_SETTINGS: path,
      CHORALE_PORT: '2',
      CHORALE_HOST: 'env.example',
      CHORALE_LIMITS_MESSAGES_PER_SECOND: '5',
    };
    const read = readSettings(['--port=6'], env);
    expect(read.settings).toMatchObject({ port: 6, host: 'env.example', shutdownSeconds: 3 });
    expect(read.settings.limits).toEqual({
      ...DEFAULT_LIMITS,
      joinsPerAddressPerHour: 4,
      messagesPerSecond: 5,
    });
    expect(sourceOf(read, 'port')).toBe('--port');
    expect(sourceOf(read, 'host')).toBe('CHORALE_HOST');
    expect(sourceOf(read, 'shutdownSeconds')).toBe(path);
    expect(sourceOf(read, 'limits.messagesPerSecond')).toBe('CHORALE_LIMITS_MESSAGES_PER_SECOND');
    expect(sourceOf(read, 'limits.bytesPerMinute')).toBe('default');
  });

  it('reads every kind of value from text', () => {
    const { settings } = readSettings(
      ['--config', '/a.json', '--config', 'b.json', '--pages=/c', '--pages=/d', '--trust-proxy', '2'],
      {
        CHORALE_PUBLIC_ORIGINS: 'https://a.example, http://127.0.0.1:8788',
        CHORALE_LOG_FORMAT: 'json',
        CHORALE_KEEP_UPDATES: 'all',
        CHORALE_METRICS_TOKEN: 'scrape-me-please-and-often',
      },
    );
    expect(settings).toMatchObject({
      configs: ['/a.json', resolve('b.json')],
      pages: ['/c', '/d'],
      trustProxy: 2,
      publicOrigins: ['https://a.example', 'http://127.0.0.1:8788'],
      logFormat: 'json',
      keepUpdates: 'all',
      metricsToken: 'scrape-me-please-and-often',
    });
    expect(readSettings(['--trust-proxy', 'loopback,10.0.0.0/8'], {}).settings.trustProxy).toEqual([
      'loopback',
      '10.0.0.0/8',
    ]);
    expect(readSettings(['--trust-proxy=false'], { CHORALE_TRUST_PROXY: '1' }).settings.trustProxy).toBe(
      false,
    );
    expect(readSettings([], { CHORALE_CONFIGS: '/a.json,/b.json' }).settings.configs).toEqual([
      '/a.json',
      '/b.json',
    ]);
  });

  it('takes paths of a file from where the file is', () => {
    mkdirSync(join(directory, 'etc'));
    const path = file({ dataDir: '../data', configs: ['run.json', '/else/run.json'] }, 'etc/chorale.json');
    const { settings } = readSettings(['--settings', path], {});
    expect(settings.dataDir).toBe(join(directory, 'data'));
    expect(settings.configs).toEqual([join(directory, 'etc/run.json'), '/else/run.json']);
  });

  it('is shown with where it comes from, without the secrets', () => {
    const path = file({ adminToken: 'the-admin-token-of-the-file' });
    const env = { CHORALE_METRICS_TOKEN: 'the-metrics-token-of-here', CHORALE_SETTINGS: path };
    const shown = shownSettings(readSettings(['--port', '0', '--print-settings'], env));
    expect(shown.map(({ name }) => name)).toEqual(SETTING_ENTRIES.map(({ name }) => name));
    expect(shown).toContainEqual({ name: 'port', value: 0, source: '--port' });
    expect(shown).toContainEqual({ name: 'adminToken', value: '[redacted]', source: path });
    const lines = settingLines(shown);
    expect(lines).toMatch(/^metricsToken +"\[redacted\]" +CHORALE_METRICS_TOKEN$/m);
    expect(lines).toMatch(/^keepUpdates +"none" +default$/m);
    expect(lines).not.toMatch(/the-(admin|metrics)-token/);
  });
});

describe('what is refused, by its name and its place', () => {
  it.each<[string, string[], Record<string, string>, RegExp]>([
    [
      'an unknown option',
      ['--prot', '1'],
      {},
      /^command line: there is no option --prot\. Did you mean --port\?$/,
    ],
    ['one nothing is like', ['--entirely-else'], {}, /^command line: there is no option --entirely-else\.$/],
    ['a word without an option', ['run.json'], {}, /^command line: expected an option, got run\.json\.$/],
    ['an option without its value', ['--port'], {}, /^--port: expected a value after it$/],
    ['a switch with a value', ['--json=yes'], {}, /^--json: expected no value$/],
    [
      'an unknown variable',
      [],
      { CHORALE_PROT: '1' },
      /^environment: there is no setting CHORALE_PROT\. Did you mean CHORALE_PORT\?$/,
    ],
    ['a word for a number', ['--port', 'many'], {}, /^--port: port: expected a whole number, got "many"$/],
    ['a port too high', [], { CHORALE_PORT: '70000' }, /^CHORALE_PORT: port: .*65535/],
    ['one page', ['--pages', '/only'], {}, /^--pages: pages: /],
    ['trust in everybody', ['--trust-proxy', 'true'], {}, /^--trust-proxy: trustProxy: expected /],
    ['trust in all addresses', ['--trust-proxy', '0.0.0.0/0'], {}, /^--trust-proxy: trustProxy: expected /],
    ['no hops', ['--trust-proxy', '0'], {}, /^--trust-proxy: trustProxy: expected /],
    [
      'an origin with a path',
      ['--public-origin', 'https://a.example/'],
      {},
      /^--public-origin: publicOrigins: expected an origin like .*got "https:\/\/a\.example\/"$/,
    ],
    ['a level that there is not', ['--log-level', 'loud'], {}, /^--log-level: logLevel: /],
    [
      'no time to stop',
      [],
      { CHORALE_SHUTDOWN_SECONDS: '0' },
      /^CHORALE_SHUTDOWN_SECONDS: shutdownSeconds: /,
    ],
  ])('%s', (_, args, env, message) => {
    expect(problems(args, env)).toEqual([expect.stringMatching(message)]);
  });

  it('all of it at once, in a file too', () => {
    const path = file({
      prot: 1,
      host: 7,
      limits: { joinsPerAddresPerHour: 1, bytesPerMinute: 0 },
      __proto__: {},
    });
    const found = problems(['--settings', path, '--porcelain'], { CHORALE_LIMITS_NOTHING: '1' });
    expect(found).toEqual([
      'command line: there is no option --porcelain.',
      'environment: there is no setting CHORALE_LIMITS_NOTHING.',
      `${path}: there is no setting prot. Did you mean port?`,
      `${path}: there is no setting limits.joinsPerAddresPerHour. Did you mean limits.joinsPerAddressPerHour?`,
      expect.stringMatching(/chorale\.json: host: .*string/),
      expect.stringMatching(/chorale\.json: limits\.bytesPerMinute: .*>=1/),
    ]);
  });

  it.each([
    ['{ "port": 1', /chorale\.json: expected a readable JSON file/],
    ['[]', /chorale\.json: expected an object of settings/],
    ['{"limits": 3}', /chorale\.json: limits: expected an object/],
    ['{"__proto__": {"port": 1}}', /chorale\.json: there is no setting __proto__\.$/],
    ['{"constructor": 1}', /chorale\.json: there is no setting constructor\.$/],
  ])('the file %s', (content, message) => {
    expect(problems(['--settings', file(content)])).toEqual([expect.stringMatching(message)]);
    expect(({} as { port?: number }).port).toBeUndefined();
  });

  it('a file that is not there', () => {
    expect(problems(['--settings', join(directory, 'none.json')])).toEqual([
      expect.stringMatching(/none\.json: expected a readable JSON file; ENOENT/),
    ]);
  });

  it('a secret that is too short, without telling it', () => {
    const found = problems([], { CHORALE_ADMIN_TOKEN: '23-characters-are-short' });
    expect(found).toEqual([expect.stringMatching(/^CHORALE_ADMIN_TOKEN: adminToken: expected 24 to 200/)]);
    expect(found[0]).not.toContain('23-characters-are-short');
  });
});

describe('every setting', () => {
  it('has a name, a variable and a flag of its own', () => {
    for (const key of ['name', 'env', 'flag'] as const) {
      const values = SETTING_ENTRIES.flatMap((entry) => entry[key] ?? []);
      expect(new Set(values).size).toBe(values.length);
    }
    expect(SETTING_ENTRIES.filter(({ name }) => name.startsWith('limits.'))).toHaveLength(
      Object.keys(DEFAULT_LIMITS).length,
    );
  });

  it('with a flag stands in the help, which comes whatever else is wrong', () => {
    const flags = SETTING_ENTRIES.flatMap(({ flag }) => flag ?? []);
    for (const flag of flags) expect(usage()).toContain(`  ${flag} `);
    expect(readSettings(['--help', '--nonsense'], { CHORALE_PORT: 'x' }).help).toBe(true);
  });

  it('that is a secret has no flag: everybody on a machine sees command lines', () => {
    expect(SETTING_ENTRIES.filter(({ secret }) => secret).map(({ name, flag }) => [name, flag])).toEqual([
      ['metricsToken', null],
      ['adminToken', null],
    ]);
  });
});

it('docs/operations.md has the same table of settings as the schema', () => {
  const document = readFileSync(resolve(REPOSITORY_ROOT, 'docs/operations.md'), 'utf8');
  const rows = [...document.matchAll(/^\| `([\w.]+)` *\| `(CHORALE_\w+)` *\|(.*)\|$/gm)].map(
    ([, name, env, rest]) => [name, env, ...rest!.split(/(?<!\\)\|/).map((cell) => cell.trim())],
  );
  expect(rows).toEqual(
    SETTING_ENTRIES.map(({ name, env, flag, initial, meaning }) => [
      name,
      env,
      flag === null ? '–' : `\`${flag}\``,
      `\`${defaultText(initial)}\``,
      meaning.replaceAll('|', '\\|'),
    ]),
  );
});
