import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPOSITORY_ROOT } from '../models/modelSource.ts';
import { freePort } from './serverProcess.ts';
import { until } from './until.ts';

const run = promisify(execFile);
const PLACES = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'];
const APT_TIMEOUT_MS = 5 * 60_000;

/**
 * Finds nginx and openssl; on Debian and as root installs the packages when they are not there.
 * @throws {Error} what to install
 */
export async function ensureNginx(): Promise<string> {
  const found = (): string | undefined => PLACES.find((path) => existsSync(path));
  const hasOpenssl = (): boolean => existsSync('/usr/bin/openssl');
  const missing =
    'this test needs a real nginx and openssl: install the packages nginx-light (or nginx) and openssl';
  if (found() === undefined || !hasOpenssl()) {
    if (!existsSync('/etc/debian_version') || process.getuid?.() !== 0) throw new Error(missing);
    const options = { timeout: APT_TIMEOUT_MS, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
    try {
      await run('apt-get', ['update'], options);
      await run('apt-get', ['install', '-y', '--no-install-recommends', 'nginx-light', 'openssl'], options);
    } catch (cause) {
      throw new Error(`${missing}; "apt-get install" failed`, { cause });
    }
  }
  const path = found();
  if (path === undefined) throw new Error(missing);
  return path;
}

export type TestProxy = {
  /** https://127.0.0.1:… */
  origin: string;
  /** http://127.0.0.1:… */
  plainOrigin: string;
  /** PEM of the certificate it shows: its own authority. */
  certificate: string;
  /** All that it has written into any log. */
  logs(): string;
  stop(): Promise<void>;
};

/**
 * Runs a real nginx with deploy/nginx.conf as it is, but for names, ports and paths.
 * @param directory where its files go
 * @param ports of this machine: where it listens, and where the server is
 */
export async function startNginx(
  directory: string,
  ports: { https: number; server: number },
): Promise<TestProxy> {
  const nginx = await ensureNginx();
  const prefix = join(directory, 'nginx');
  mkdirSync(prefix, { recursive: true });
  const [certificatePath, keyPath] = [join(prefix, 'cert.pem'), join(prefix, 'key.pem')];
  const key = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=127.0.0.1';
  await run('/usr/bin/openssl', [
    ...key.split(' '),
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    keyPath,
    '-out',
    certificatePath,
  ]);
  const http = await freePort();
  const site = adapted(readFileSync(join(REPOSITORY_ROOT, 'deploy/nginx.conf'), 'utf8'), [
    ['    listen [::]:80;\n', ''],
    ['    listen [::]:443 ssl;\n', ''],
    ['listen 80;', `listen 127.0.0.1:${http};`],
    ['listen 443 ssl;', `listen 127.0.0.1:${ports.https} ssl;`],
    ['server 127.0.0.1:8788;', `server 127.0.0.1:${ports.server};`],
    ['/etc/letsencrypt/live/chorale.example.org/fullchain.pem', certificatePath],
    ['/etc/letsencrypt/live/chorale.example.org/privkey.pem', keyPath],
    ['/var/log/nginx/chorale.log', join(prefix, 'access.log')],
  ]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${join(prefix, name)};`)
    .join('\n');
  writeFileSync(
    join(prefix, 'nginx.conf'),
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off; pid ${join(prefix, 'pid')}; error_log stderr; worker_processes 1;
events {}
http { ${temporary}
access_log ${join(prefix, 'default.log')};
${site} }
`,
  );
  const child = spawn(nginx, ['-p', prefix, '-c', join(prefix, 'nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const plainOrigin = `http://127.0.0.1:${http}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
    return await fetch(plainOrigin, { redirect: 'manual' }).then(
      () => true,
      () => false,
    );
  }, 'nginx');
  return {
    origin: `https://127.0.0.1:${ports.https}`,
    plainOrigin,
    certificate: readFileSync(certificatePath, 'utf8'),
    logs: () =>
      ['access.log', 'default.log'].map((name) => readFileSync(join(prefix, name), 'utf8')).join('') + said,
    stop: () => stop(child),
  };
}

/** What is not there any more must be changed here too. */
function adapted(text: string, changes: readonly (readonly [string, string])[]): string {
  return changes.reduce((adaptedText, [from, to]) => {
    if (!adaptedText.includes(from)) throw new Error(`expected "${from}" in deploy/nginx.conf`);
    return adaptedText.replaceAll(from, to);
  }, text);
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await gone;
}
