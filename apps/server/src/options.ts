import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ChoraleError } from '@chorale/protocol';
import type { PageFolders } from './http/pages.ts';
import { REPOSITORY_ROOT } from './models/modelSource.ts';

export const USAGE = `Serves a run: contributors at /, the admin at /admin.

  --data-dir DIR    where everything is kept (default .data)
  --config FILE     run config (default assets/runs/demo.json of the repository)
  --port N          0 = any free one (default 8788)
  --host ADDRESS    default 127.0.0.1: this machine only
  --pages DIR       twice: the built contributor page, then the built admin page
  --json            print one JSON line when listening

A model that the config names as hf:organisation/name@revision is downloaded into the data directory, each commit once, from
HF_ENDPOINT (default https://huggingface.co), with the access token in HF_TOKEN, in the file HF_TOKEN_PATH, or as
\`hf auth login\` left it, where there is one.

CHORALE_ADMIN_TOKEN in the environment sets the admin token; without it every start makes a new one.
`;

export type CommandOptions = {
  dataDir: string;
  configPath: string;
  port: number;
  host: string;
  pages: PageFolders;
  json: boolean;
  help: boolean;
};

/**
 * @param args command line without the program
 * @throws {ChoraleError} CONFIG_INVALID
 */
export function parseOptions(args: string[]): CommandOptions {
  const values = parse(args);
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ChoraleError('CONFIG_INVALID', `--port: expected a number from 0 to 65535, got ${values.port}`);
  }
  const [contributor, admin, ...more] = values.pages ?? [
    resolve(REPOSITORY_ROOT, 'apps/contributor/dist'),
    resolve(REPOSITORY_ROOT, 'apps/admin/dist'),
  ];
  if (contributor === undefined || admin === undefined || more.length > 0) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      '--pages: expected it twice: the contributor page, then the admin page',
    );
  }
  return {
    dataDir: resolve(values['data-dir']),
    configPath:
      values.config === undefined
        ? resolve(REPOSITORY_ROOT, 'assets/runs/demo.json')
        : resolve(values.config),
    port,
    host: values.host,
    pages: { contributor: resolve(contributor), admin: resolve(admin) },
    json: values.json,
    help: values.help,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        'data-dir': { type: 'string', default: '.data' },
        config: { type: 'string' },
        port: { type: 'string', default: '8788' },
        host: { type: 'string', default: '127.0.0.1' },
        pages: { type: 'string', multiple: true },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', (cause as Error).message, { cause });
  }
}
