import { resolve } from 'node:path';
import { z } from 'zod';
import { DEFAULT_LIMITS } from '../access/limits.ts';
import { LOG_FORMATS, LOG_LEVELS } from '../log.ts';
import { REPOSITORY_ROOT } from '../models/modelSource.ts';
import { trustProxySchema } from './trustProxy.ts';

/**
 * How a setting is written where there is only text: as it is, as a number, as paths (relative to where they are
 * written), or as a list with commas.
 */
export type SettingForm = 'text' | 'number' | 'path' | 'paths' | 'list' | 'proxies';

export type SettingAbout = {
  /** The environment variable. */
  env: `CHORALE_${string}`;
  /** The option of the command; null where it would show a secret to everybody on the machine, or is rarely needed. */
  flag: `--${string}` | null;
  /** What stands after the flag in the help. */
  argument?: string;
  form: SettingForm;
  /** Not shown. */
  secret?: true;
  /** One sentence for the table of docs/operations.md and the help. */
  meaning: string;
};

/** What the schema says besides: by setting. */
export const settingAbout = z.registry<SettingAbout>();

const atRoot = (path: string): string => resolve(REPOSITORY_ROOT, path);
const path = z.string().min(1);
/**
 * Long enough that nobody tries them all, with the stored hash in hand either; of characters that stand in a header as
 * they are.
 */
const secret = z
  .string()
  .regex(/^[\x21-\x7e]{24,200}$/, 'expected 24 to 200 visible characters of ASCII without spaces');

const origin = z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, {
  error: ({ input }) =>
    `expected an origin like https://chorale.example.org (no path, no slash at the end), got ${JSON.stringify(input)}`,
});

const limitMeanings: Record<keyof typeof DEFAULT_LIMITS, string> = {
  connections: 'sockets that all client addresses together may hold open',
  connectionsPerAddress: 'sockets that one client address may hold open',
  joinsPerAddressPerHour: 'new contributors that one client address may make in an hour',
  messagesPerSecond: 'messages that one socket may send in a second, ten seconds of them at once',
  bytesPerMinute: 'bytes that one socket may send in a minute; never less than a few of the largest updates',
  requestsPerMinutePerAddress:
    'HTTP requests of one client address in a minute, WebSocket handshakes among them',
  signInsPerMinutePerAddress: 'wrong admin tokens from one client address in a minute',
};

const limitsSchema = z
  .strictObject(
    Object.fromEntries(
      Object.entries(DEFAULT_LIMITS).map(([name, value]) => [
        name,
        z
          .int()
          .min(1)
          .max(2 ** 40)
          .default(value)
          .register(settingAbout, {
            env: `CHORALE_LIMITS_${snakeCase(name)}`,
            flag: null,
            form: 'number',
            meaning: limitMeanings[name as keyof typeof DEFAULT_LIMITS],
          }),
      ]),
    ) as Record<keyof typeof DEFAULT_LIMITS, z.ZodDefault<z.ZodInt>>,
  )
  .prefault({});

/** Everything that can be set on a server. Read from `readSettings`; said to people in docs/operations.md. */
export const settingsSchema = z.strictObject({
  dataDir: path.default(resolve('.data')).register(settingAbout, {
    env: 'CHORALE_DATA_DIR',
    flag: '--data-dir',
    argument: 'DIR',
    form: 'path',
    meaning: 'where everything is kept',
  }),
  configs: z
    .array(path)
    .min(1)
    .default([atRoot('assets/runs/demo.json')])
    .register(settingAbout, {
      env: 'CHORALE_CONFIGS',
      flag: '--config',
      argument: 'FILE',
      form: 'paths',
      meaning: 'run configs to serve; the option may be given several times',
    }),
  host: z.string().min(1).default('127.0.0.1').register(settingAbout, {
    env: 'CHORALE_HOST',
    flag: '--host',
    argument: 'ADDRESS',
    form: 'text',
    meaning: 'address to listen on; 127.0.0.1 is reached from this machine only',
  }),
  port: z.int().min(0).max(65_535).default(8788).register(settingAbout, {
    env: 'CHORALE_PORT',
    flag: '--port',
    argument: 'N',
    form: 'number',
    meaning: 'port to listen on; 0 is any free one',
  }),
  publicOrigins: z.array(origin).default([]).register(settingAbout, {
    env: 'CHORALE_PUBLIC_ORIGINS',
    flag: '--public-origin',
    argument: 'ORIGIN',
    form: 'list',
    meaning:
      'origins whose pages may talk to this server, as https://chorale.example.org; the first stands in the printed links; none: the host that the request names',
  }),
  trustProxy: trustProxySchema.default(false).register(settingAbout, {
    env: 'CHORALE_TRUST_PROXY',
    flag: '--trust-proxy',
    argument: 'N|LIST',
    form: 'proxies',
    meaning:
      'whose X-Forwarded-* headers are believed: false, a number of proxies, or their addresses and ranges (loopback, 10.0.0.0/8)',
  }),
  keepUpdates: z.enum(['none', 'all']).default('none').register(settingAbout, {
    env: 'CHORALE_KEEP_UPDATES',
    flag: '--keep-updates',
    argument: 'none|all',
    form: 'text',
    meaning: 'whether the bytes of updates stay in the database after their round',
  }),
  logLevel: z.enum(LOG_LEVELS).default('info').register(settingAbout, {
    env: 'CHORALE_LOG_LEVEL',
    flag: '--log-level',
    argument: 'LEVEL',
    form: 'text',
    meaning: 'lowest level that is logged: debug, info, warn, error',
  }),
  logFormat: z.enum(LOG_FORMATS).default('auto').register(settingAbout, {
    env: 'CHORALE_LOG_FORMAT',
    flag: '--log-format',
    argument: 'FORMAT',
    form: 'text',
    meaning: 'json, text, or auto: text on a terminal, else json',
  }),
  metricsToken: secret.nullable().default(null).register(settingAbout, {
    env: 'CHORALE_METRICS_TOKEN',
    flag: null,
    form: 'text',
    secret: true,
    meaning: 'bearer token for /metrics from other machines; without one only this machine reads it',
  }),
  adminToken: secret.nullable().default(null).register(settingAbout, {
    env: 'CHORALE_ADMIN_TOKEN',
    flag: null,
    form: 'text',
    secret: true,
    meaning: 'token of the admin link; without one every start makes a new one',
  }),
  limits: limitsSchema,
  shutdownSeconds: z.int().min(1).max(600).default(20).register(settingAbout, {
    env: 'CHORALE_SHUTDOWN_SECONDS',
    flag: '--shutdown-seconds',
    argument: 'N',
    form: 'number',
    meaning: 'how long a stop may wait for what is being computed',
  }),
  pages: z
    .tuple([path, path])
    .default([atRoot('apps/contributor/dist'), atRoot('apps/admin/dist')])
    .register(settingAbout, {
      env: 'CHORALE_PAGES',
      flag: '--pages',
      argument: 'DIR',
      form: 'paths',
      meaning: 'the built contributor page, then the built admin page; the option is given twice',
    }),
});

export type Settings = z.output<typeof settingsSchema>;

export type SettingEntry = SettingAbout & {
  /** As in the file, `limits.` before those. */
  name: string;
  schema: z.ZodType;
  /** What holds when nobody sets it. */
  initial: unknown;
};

/** Every setting, in the order of the schema. */
export const SETTING_ENTRIES: readonly SettingEntry[] = [...entriesOf(settingsSchema.shape, '')];

function* entriesOf(shape: Record<string, z.ZodType>, prefix: string): Iterable<SettingEntry> {
  for (const [name, schema] of Object.entries(shape)) {
    const about = settingAbout.get(schema);
    if (about !== undefined)
      yield { ...about, name: prefix + name, schema, initial: schema.parse(undefined) };
    else yield* entriesOf(limitsSchema.def.innerType.shape, `${name}.`);
  }
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}
