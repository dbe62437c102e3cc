import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RunConfigInput } from '@chorale/protocol';

const SERVER_PROGRAM = fileURLToPath(import.meta.resolve('@chorale/server/main.ts'));

export type Addresses = { contributeUrl: string; adminUrl: string; adminToken: string; runId: string };

/** A real server process on a directory of its own; it can be killed and started again on the same port. */
export class ServerUnderTest {
  readonly directory = mkdtempSync(join(tmpdir(), 'chorale-e2e-'));
  readonly dataDir = join(this.directory, 'data');
  readonly #configPath = join(this.directory, 'run.json');
  readonly #port: number;
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | null = null;

  private constructor(
    port: number,
    config: RunConfigInput,
    testRows: string,
    environment: NodeJS.ProcessEnv,
  ) {
    this.#port = port;
    this.#environment = environment;
    writeFileSync(join(this.directory, 'test.csv'), testRows);
    writeFileSync(this.#configPath, JSON.stringify({ ...config, evaluation: { file: 'test.csv' } }));
  }

  /** @param environment variables it gets besides those of the test */
  static async create(
    config: RunConfigInput,
    testRows: string,
    environment: NodeJS.ProcessEnv = {},
  ): Promise<ServerUnderTest> {
    return new ServerUnderTest(await freePort(), config, testRows, environment);
  }

  async start(): Promise<Addresses> {
    const args = [
      '--json',
      '--data-dir',
      this.dataDir,
      '--config',
      this.#configPath,
      '--port',
      String(this.#port),
      // Tests look into the updates after their rounds
      '--keep-updates',
      'all',
    ];
    const child = spawn(process.execPath, [SERVER_PROGRAM, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
      // Beside the test's own lines only what went wrong
      env: { CHORALE_LOG_LEVEL: 'warn', ...process.env, ...this.#environment },
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Addresses;
    throw new Error('The server ended before it listened; its message stands above.');
  }

  /** SIGKILL: no handler of the server runs. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Keeps a copy of all it has stored; only while it does not run. */
  backUp(): void {
    this.#expectGone();
    rmSync(this.#backupDir, { recursive: true, force: true });
    cpSync(this.dataDir, this.#backupDir, { recursive: true });
  }

  /** Forgets everything since `backUp`; only while it does not run. */
  restoreBackup(): void {
    this.#expectGone();
    rmSync(this.dataDir, { recursive: true });
    cpSync(this.#backupDir, this.dataDir, { recursive: true });
  }

  get #backupDir(): string {
    return join(this.directory, 'backup');
  }

  #expectGone(): void {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      throw new Error('The server still runs: kill it first.');
    }
  }

  async dispose(): Promise<void> {
    await this.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
