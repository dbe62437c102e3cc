import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RunConfigInput } from '@chorale/protocol';
import { lastLine, runCli } from '../testing/runCli.ts';

const SERVER = fileURLToPath(new URL('../../../server/src/testing/loadServer.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'chorale-load-'));
let server: ChildProcess;
let url: string;

beforeAll(async () => {
  const config: RunConfigInput = {
    name: 'Load test',
    model: 'model',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    training: { localSteps: 2, learningRate: 0.5, samplingRate: 0.05, expectedBatchSize: 8, clippingNorm: 1 },
    privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
    rounds: { count: 4, cohortSize: 8, minimumUpdates: 8, deadlineSeconds: 60 },
    transport: { encoding: 'int8' },
  };
  mkdirSync(join(directory, 'model'));
  writeFileSync(join(directory, 'model', 'weights.bin'), 'none');
  writeFileSync(join(directory, 'run.json'), JSON.stringify(config));
  server = spawn(process.execPath, [SERVER, '--tensors', '3', '--values-each', '200'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      CHORALE_DATA_DIR: join(directory, 'data'),
      CHORALE_CONFIGS: join(directory, 'run.json'),
      CHORALE_PORT: '0',
      CHORALE_LOG_LEVEL: 'error',
    },
  });
  for await (const line of createInterface({ input: server.stdout! })) {
    url = (JSON.parse(line) as { contributeUrl: string }).contributeUrl;
    break;
  }
}, 60_000);
afterAll(async () => {
  const gone = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGKILL');
  await gone;
  rmSync(directory, { recursive: true, force: true });
});

test('a cohort with faults: every update is answered, none twice, nothing broken gets in, and it is reported', async () => {
  const args = ['load', '--server', url, '--clients', '8', '--rounds', '3', '--json'];
  const faults = [
    '--faults',
    'drop=0.3,delay=0.2,duplicate=0.5,corrupt=0.5',
    '--server-pid',
    `${server.pid}`,
  ];
  const { code, stdout } = await runCli(...args, ...faults);
  const report = lastLine(stdout);
  expect(report).toMatchObject({ clients: 8, rounds: 3, encoding: 'int8', violations: [] });
  const { outcomes } = report['updates'] as { outcomes: Record<string, number> };
  // Each of three rounds, from each of them; one that was dropped may have been stored before
  expect((outcomes['accepted'] ?? 0) + (outcomes['duplicate'] ?? 0)).toBeGreaterThanOrEqual(24);
  const injected = Object.values(report['injectedFaults'] as Record<string, number>);
  for (const count of injected) expect(count).toBeGreaterThan(0);
  expect((report['server'] as { peakRssBytes: number }).peakRssBytes).toBeGreaterThan(1e7);
  expect(code).toBe(0);
}, 120_000);

test('a server that is none, and options that are none, are refused in a line', async () => {
  const nobody = await runCli('load', '--server', 'http://127.0.0.1:9/', '--clients', '1', '--rounds', '1');
  expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining('DISCONNECTED') as string });
  const noRounds = await runCli('load', '--server', url, '--clients', '1');
  expect(noRounds).toMatchObject({ code: 1, stderr: expect.stringContaining('--rounds') as string });
}, 60_000);
