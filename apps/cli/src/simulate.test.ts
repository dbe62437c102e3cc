import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { lastLine, runCli } from './testing/runCli.ts';

const ROOT = resolve(import.meta.dirname, '../../..');
const MAIN = resolve(import.meta.dirname, 'main.ts');

let place = '';
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'chorale-simulate-'));
});
afterEach(() => {
  rmSync(place, { recursive: true });
});

/** A config beside which lie no rows: it names the samples from where it stands. */
function writeConfig(change: object = {}): string {
  const samples = relative(place, join(ROOT, 'assets/samples'));
  const config = {
    name: 'notes',
    model: 'tiny-encoder',
    task: { type: 'sequence-classification', labels: ['health', 'money'], maxTokens: 32 },
    training: {
      localSteps: 2,
      learningRate: 1.5,
      samplingRate: 0.05,
      expectedBatchSize: 16,
      clippingNorm: 1,
    },
    privacy: { unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 },
    rounds: { count: 6, cohortSize: 2, minimumUpdates: 2 },
    evaluation: { file: join(samples, 'sample-small.csv') },
    simulation: {
      clients: 3,
      train: join(samples, 'contributor-1.csv'),
      split: {
        kind: 'label-skew',
        mix: [
          [0.9, 0.1],
          [0.1, 0.9],
          [0.5, 0.5],
        ],
      },
      examplesPerClient: 200,
    },
    ...change,
  };
  const path = join(place, 'run.json');
  writeFileSync(path, JSON.stringify(config));
  return path;
}

function resultOf(out: string) {
  const rounds = readFileSync(join(out, 'seed-7', 'rounds.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  return {
    rounds: rounds.map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 })),
    adapter: readFileSync(join(out, 'seed-7', 'adapter', 'adapter_model.safetensors')).toString('base64'),
  };
}

test(
  'killed at any moment, the same command goes on to identical results',
  { timeout: 240_000 },
  async () => {
    const config = writeConfig();
    const args = (out: string) => ['simulate', '--config', config, '--out', join(place, out), '--seeds', '7'];
    const whole = await runCli(...args('whole'), '--workers', '1', '--json');
    expect(whole.stderr).toContain('seed 7 round 6/6: accuracy');
    expect(lastLine(whole.stdout)).toMatchObject({ seeds: [{ seed: 7 }] });
    // Kills that meet the start, the middle of a round, and the moment in which a round is written
    for (const untilRounds of [0, 1, 2, 2, 4]) {
      await killedAfter(untilRounds, args('killed'));
      expect(existsSync(join(place, 'killed', 'seed-7', 'adapter'))).toBe(false);
    }
    const { code } = await runCli(...args('killed'), '--workers', '2');
    expect(code).toBe(0);
    expect(resultOf(join(place, 'killed'))).toEqual(resultOf(join(place, 'whole')));
  },
);

/** Starts the command, and kills it with SIGKILL as soon as it has written so many rounds (0: as soon as it claimed its place). */
async function killedAfter(rounds: number, args: string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, ...args, '--workers', '1'], { stdio: 'ignore' });
  const ended = new Promise<NodeJS.Signals | null>((done) => child.once('exit', (_, signal) => done(signal)));
  const out = args[args.indexOf('--out') + 1]!;
  const written = () => {
    const path = join(out, 'seed-7', 'rounds.jsonl');
    return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
  };
  const due = () => (rounds === 0 ? existsSync(join(out, 'simulation.json')) : written() >= rounds);
  while (!due() && child.exitCode === null) await new Promise((wait) => setTimeout(wait, 5));
  child.kill('SIGKILL');
  expect(await ended).toBe('SIGKILL'); // it had not ended by itself
}

test('what is wrong is said in words, without a stack', { timeout: 120_000 }, async () => {
  const config = writeConfig();
  const tooLarge = join(place, 'large.json');
  const { adapter: _, ...rest } = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
  writeFileSync(tooLarge, JSON.stringify({ ...rest, adapter: { rank: 200 } }));
  const out = join(place, 'out');
  const cases: [args: string[], words: string][] = [
    [['--out', out], 'expected --config'],
    [['--config', config, '--out', out, '--seeds', '1,1'], '--seeds: expected different whole numbers'],
    [['--config', config, '--out', out, '--backend', 'webgpu'], 'needs a browser'],
    [['--config', tooLarge, '--out', out], 'rank'],
  ];
  const answers = await Promise.all(cases.map(([args]) => runCli('simulate', ...args)));
  answers.forEach(({ code, stderr }, i) => {
    expect(stderr).toContain('CONFIG_INVALID: ');
    expect(stderr).toContain(cases[i]![1]);
    expect(stderr).not.toContain('    at ');
    expect(code).toBe(1);
  });
});
