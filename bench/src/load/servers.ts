import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { PublicRun, RunConfigInput } from '@chorale/protocol';
import type { LoadShape } from './shapes.ts';

export type ServerKind = 'chorale' | 'bare';

export type BenchServer = { url: string; pid: number; publicRun: PublicRun; stop(): Promise<void> };

export type BenchSetting = {
  shape: LoadShape;
  clients: number;
  /** Of the run; one more than are measured, so that it does not end while it is. */
  rounds: number;
  /** For everything the servers write. */
  directory: string;
};

const CHORALE = fileURLToPath(new URL('../../../apps/server/src/testing/loadServer.ts', import.meta.url));
const BARE = fileURLToPath(new URL('./bareServer.ts', import.meta.url));
const PLENTY = '1000000000';

/** Chorale's server with everything on that keeps updates safe; only the limits an address has are out of the way. */
export async function startChoraleServer(setting: BenchSetting): Promise<BenchServer> {
  const { shape, clients, rounds, directory } = setting;
  const config: RunConfigInput = {
    name: 'Load',
    model: 'model',
    task: { type: 'sequence-classification', labels: ['no', 'yes'] },
    adapter: { rank: 8, head: 'frozen' },
    training: {
      localSteps: 1,
      learningRate: 0.5,
      samplingRate: 0.05,
      expectedBatchSize: 32,
      clippingNorm: 1,
    },
    privacy: { unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 },
    rounds: { count: rounds, cohortSize: clients, minimumUpdates: clients, deadlineSeconds: 3600 },
  };
  mkdirSync(join(directory, 'model'), { recursive: true });
  writeFileSync(join(directory, 'model', 'weights.bin'), shape.name);
  const configPath = join(directory, 'run.json');
  writeFileSync(configPath, JSON.stringify(config));
  const modules = 2 * shape.layers;
  const args = ['--tensors', `${modules}`, '--values-each', `${shape.parameterCount / modules}`];
  return await start(CHORALE, args, {
    CHORALE_DATA_DIR: join(directory, 'data'),
    CHORALE_CONFIGS: configPath,
    CHORALE_PORT: '0',
    CHORALE_LOG_LEVEL: 'warn',
    CHORALE_LIMITS_CONNECTIONS_PER_ADDRESS: PLENTY,
    CHORALE_LIMITS_JOINS_PER_ADDRESS_PER_HOUR: PLENTY,
    CHORALE_LIMITS_REQUESTS_PER_MINUTE_PER_ADDRESS: PLENTY,
  });
}

/** @param publicRun of the Chorale server that it is compared with: the load generator asks for the same plan */
export async function startBareServer(
  { clients, directory }: BenchSetting,
  publicRun: PublicRun,
): Promise<BenchServer> {
  const file = join(directory, 'public-run.json');
  writeFileSync(file, JSON.stringify(publicRun));
  return await start(BARE, [file, `${clients}`], {});
}

async function start(program: string, args: string[], environment: NodeJS.ProcessEnv): Promise<BenchServer> {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  });
  const url = await addressOf(child);
  const response = await fetch(new URL('/api/runs/current', url));
  return {
    url,
    pid: child.pid!,
    publicRun: (await response.json()) as PublicRun,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout! }))
    return (JSON.parse(line) as { contributeUrl: string }).contributeUrl;
  throw new Error('the server ended before it listened; its message stands above');
}
