// The door to everything: `npm run demo`, `npm start`, `npm test`, `npm run chorale -- ...`.
// It runs on any Node >= 20 of the machine and needs nothing installed: it installs what is missing, then hands over
// to the Node 24 that came with it. Plain JavaScript, because Node 20 runs no TypeScript.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PNPM = 'pnpm@10.34.9';
const OLDEST_NODE = 20;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BINARIES = join(ROOT, 'node_modules', '.bin');
const STAMP = join(ROOT, 'node_modules', '.chorale-installed');
const WINDOWS = process.platform === 'win32';
// The binary itself: the script `.bin/node` would not pass signals on.
const NODE_24 = join(ROOT, 'node_modules', 'node', 'bin', WINDOWS ? 'node.exe' : 'node');
const PAGES = ['@chorale/contributor', '@chorale/admin'];

const COMMANDS = {
  demo: { buildsPages: true, script: ['apps/cli/src/main.ts', 'demo'] },
  start: { buildsPages: true, script: ['apps/server/src/main.ts'] },
  chorale: { buildsPages: false, script: ['apps/cli/src/main.ts'] },
  test: { buildsPages: false, script: ['scripts/test.ts'] },
};

const env = {
  ...process.env,
  PATH: `${BINARIES}${delimiter}${process.env.PATH ?? ''}`,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
};

process.exitCode = await main(process.argv.slice(2));

async function main([name, ...args]) {
  const oldNode = Number(process.versions.node.split('.')[0]) < OLDEST_NODE;
  if (oldNode) {
    return refuse(
      `Chorale needs Node ${OLDEST_NODE} or newer; this is ${process.version}. Get one at nodejs.org.`,
    );
  }
  const command = Object.hasOwn(COMMANDS, name ?? '') ? COMMANDS[name] : undefined;
  if (command === undefined) {
    return refuse(`Expected one of ${Object.keys(COMMANDS).join(', ')}; got ${name ?? 'nothing'}.`);
  }
  if (!(await install())) return 1;
  if (command.buildsPages && !(await buildPages())) return 1;
  return await handOver(NODE_24, [join(ROOT, command.script[0]), ...command.script.slice(1), ...args]);
}

function refuse(message) {
  console.error(message);
  return 1;
}

/** Installs unless the last install was of exactly these package files. */
async function install() {
  const wanted = packageFilesHash();
  if (existsSync(STAMP) && existsSync(NODE_24) && readFileSync(STAMP, 'utf8') === wanted) return true;
  console.error('Installing what Chorale needs (the first time this takes about a minute) …');
  const args = ['-y', PNPM, 'install', '--frozen-lockfile'];
  // `CI`: pnpm must not stop to ask whether it may replace a node_modules of another kind.
  const { code, output } = await runQuietly(WINDOWS ? 'npx.cmd' : 'npx', args, { ...env, CI: 'true' });
  if (code === 0 && existsSync(NODE_24)) {
    writeFileSync(STAMP, wanted);
    return true;
  }
  console.error(lastLines(output, 30));
  console.error(
    `The install failed (npx ${args.join(' ')}, exit ${code}). It needs the npm registry: is there`,
  );
  console.error('a connection, and does "npm ping" answer? Then try again.');
  return false;
}

function packageFilesHash() {
  const hash = createHash('sha256');
  for (const path of packageFiles()) {
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  }
  return hash.digest('hex');
}

function packageFiles() {
  const folders = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(ROOT, parent)).map((name) => `${parent}/${name}`),
  );
  return [
    'pnpm-lock.yaml',
    'pnpm-workspace.yaml',
    ...['.', ...folders, 'bench', 'e2e'].map((folder) => `${folder}/package.json`),
  ]
    .filter((path) => existsSync(join(ROOT, path)))
    .sort();
}

async function buildPages() {
  // turbo builds only what changed.
  const args = ['run', 'build', '--output-logs=errors-only', ...PAGES.map((page) => `--filter=${page}`)];
  console.error('Building the two pages (nothing to do when they have not changed) …');
  const { code, output } = await runQuietly(join(BINARIES, WINDOWS ? 'turbo.cmd' : 'turbo'), args, env);
  if (code === 0) return true;
  console.error(lastLines(output, 60));
  console.error(`The pages could not be built (turbo ${args.join(' ')}, exit ${code}).`);
  return false;
}

function runQuietly(file, args, environment) {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: ROOT,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: WINDOWS,
    });
    let output = '';
    const keep = (chunk) => {
      output += chunk;
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: 1, output: error.message }));
    child.on('close', (code, signal) => resolve({ code: code ?? signal, output }));
  });
}

function lastLines(output, count) {
  return output.trimEnd().split('\n').slice(-count).join('\n');
}

/** Runs the program in the place of this one: same terminal, its exit code, signals passed on. */
function handOver(file, args) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { cwd: ROOT, env, stdio: 'inherit' });
    const passOn = (signal) => {
      // Ctrl-C in a terminal reaches the program by itself; a second one would read as "quit at once".
      if (signal === 'SIGINT' && process.stdin.isTTY) return;
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => passOn(signal));
    child.on('error', (error) => resolve(refuse(`Could not start ${file}: ${error.message}`)));
    child.on('close', (code, signal) => resolve(code ?? 128 + signalNumber(signal)));
  });
}

function signalNumber(signal) {
  return { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 }[signal] ?? 1;
}
