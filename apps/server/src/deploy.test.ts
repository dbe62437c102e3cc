import { execFileSync, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT } from './models/modelSource.ts';
import { readSettings } from './settings/readSettings.ts';
import { freePort } from './testing/serverProcess.ts';

const deploy = (name: string): string => join(REPOSITORY_ROOT, 'deploy', name);
const SYSTEMD_ANALYZE = '/usr/bin/systemd-analyze';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-deploy-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('chorale.service', () => {
  const unit = readFileSync(deploy('chorale.service'), 'utf8');
  /** All values of a key, in their order. */
  const valuesOf = (key: string): string[] =>
    [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((line) => line[1]!);

  it('starts the server with the settings of deploy/chorale.json, which ends cleanly when systemd stops it', async () => {
    cpSync(join(REPOSITORY_ROOT, 'assets/runs/demo.json'), join(directory, 'run.json'));
    const run = JSON.parse(readFileSync(join(directory, 'run.json'), 'utf8')) as Record<string, unknown>;
    delete run['evaluation']; // its file lies beside the original
    writeFileSync(join(directory, 'run.json'), JSON.stringify(run));
    cpSync(deploy('chorale.json'), join(directory, 'chorale.json'));
    const [program, ...args] = valuesOf('ExecStart')[0]!
      .replaceAll('/opt/chorale/', REPOSITORY_ROOT.replace(/\/?$/, '/'))
      .replaceAll('/etc/chorale/', `${directory}/`)
      .split(' ');
    const environment = Object.fromEntries(
      valuesOf('Environment').map((text) =>
        text.replace('/var/lib/chorale', join(directory, 'data')).split('='),
      ),
    ) as Record<string, string>;
    const port = await freePort();
    const child = spawn(program!, args, {
      env: { ...environment, CHORALE_PORT: String(port) },
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    try {
      await expect.poll(() => lines.length, { timeout: 25_000, message: 'lines on stdout' }).toBe(2);
      expect(lines[0]).toMatch(/^Contribute to ".+": https:\/\/chorale\.example\.org\/\?run=/);
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
      expect(existsSync(join(directory, 'data/chorale.sqlite'))).toBe(true);
      for (const line of errors.trimEnd().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
    } finally {
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
  });

  it('waits longer for the end than the server takes for it', () => {
    const { settings } = readSettings(['--settings', deploy('chorale.json')], {});
    expect(Number(valuesOf('TimeoutStopSec')[0])).toBeGreaterThan(settings.shutdownSeconds + 5);
  });

  it('keeps its data where systemd makes its directory', () => {
    expect(valuesOf('Environment')).toContain(`CHORALE_DATA_DIR=/var/lib/${valuesOf('StateDirectory')[0]}`);
  });

  it.skipIf(!existsSync(SYSTEMD_ANALYZE))(
    'is a unit that systemd takes, and shuts most of the machine off',
    () => {
      const path = join(directory, 'chorale.service');
      writeFileSync(path, unit.replaceAll('/opt/chorale/', REPOSITORY_ROOT.replace(/\/?$/, '/')));
      const analyze = (...args: string[]): string =>
        execFileSync(SYSTEMD_ANALYZE, args, { encoding: 'utf8', stdio: 'pipe' });
      analyze('verify', path);
      const report = analyze('security', '--offline=true', '--no-pager', path);
      expect(Number(/exposure level for \S+: ([\d.]+)/.exec(report)?.[1])).toBeLessThan(2);
    },
  );
  if (!existsSync(SYSTEMD_ANALYZE))
    console.warn('no systemd-analyze here: deploy/chorale.service is not verified');
});

describe('Dockerfile', () => {
  const dockerfile = readFileSync(deploy('Dockerfile'), 'utf8').replaceAll(/\\\n\s*/g, '');
  const instruction = (name: string): string[] =>
    [...dockerfile.matchAll(new RegExp(`^${name} (.*)$`, 'gm'))].map((line) => line[1]!);

  it('takes only what there is', () => {
    const stages = instruction('FROM').flatMap((from) => /AS (\w+)$/.exec(from)?.[1] ?? []);
    const copied = instruction('COPY').map((line) => /^--from=(\w+) \/chorale\/(\S+) \.\/(\S+)$/.exec(line));
    for (const copy of copied.filter((one) => one !== null)) {
      const [, stage, from, to] = copy;
      expect(stages).toContain(stage);
      expect(from).toBe(to);
      // The pages are built
      expect(existsSync(join(REPOSITORY_ROOT, from!.replace(/\/dist$/, '')))).toBe(true);
    }
    expect(copied.filter((one) => one !== null)).toHaveLength(7);
    expect(existsSync(join(REPOSITORY_ROOT, JSON.parse(instruction('ENTRYPOINT')[0]!)[1] as string))).toBe(
      true,
    );
  });

  it('brings along every package that the server needs', () => {
    const packages = (folder: string): Record<string, unknown> =>
      (
        JSON.parse(readFileSync(join(REPOSITORY_ROOT, folder, 'package.json'), 'utf8')) as {
          dependencies?: Record<string, string>;
        }
      ).dependencies ?? {};
    const own = Object.keys(packages('apps/server')).filter((name) => name.startsWith('@chorale/'));
    for (const name of own) {
      expect(existsSync(join(REPOSITORY_ROOT, 'packages', name.slice('@chorale/'.length)))).toBe(true);
    }
  });

  it('uses the same pnpm as the repository, the Node it is written for, and no named registry', () => {
    const { packageManager } = JSON.parse(readFileSync(join(REPOSITORY_ROOT, 'package.json'), 'utf8')) as {
      packageManager: string;
    };
    expect(dockerfile).toContain(`npm install --global ${packageManager}`);
    for (const from of instruction('FROM')) expect(from).toMatch(/^node:24-slim( AS \w+)?$/);
  });

  it('runs as nobody special, with settings that there are', () => {
    expect(instruction('USER')).toEqual(['node']);
    const variables = instruction('ENV').flatMap((line) => line.split(/\s+/).map((one) => one.split('=')));
    const { settings } = readSettings([], Object.fromEntries(variables) as Record<string, string>);
    expect(settings).toMatchObject({
      dataDir: instruction('VOLUME')[0],
      port: Number(instruction('EXPOSE')[0]),
    });
  });

  it('is healthy exactly while the server is ready', async () => {
    const [, ...command] = JSON.parse(/CMD (\[.*\])$/.exec(instruction('HEALTHCHECK')[0]!)![1]!) as string[];
    let status = 200;
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/readyz' ? status : 404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const check = async (at: number): Promise<number | null> => {
      const child = spawn(process.execPath, command, { env: { CHORALE_PORT: String(at) } });
      return await new Promise((resolve) => child.once('exit', resolve));
    };
    expect(await check(port)).toBe(0);
    status = 503;
    expect(await check(port)).toBe(1);
    await new Promise((resolve) => server.close(resolve));
    expect(await check(port)).toBe(1);
  });
});
