import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { epsilon } from './epsilon.ts';
import { lastLine, runCli } from './testing/runCli.ts';

/** The command in this process. */
async function printed(...args: string[]): Promise<string> {
  let text = '';
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    text += String(chunk);
    return true;
  });
  try {
    expect(await epsilon(args)).toBe(0);
  } finally {
    write.mockRestore();
  }
  return text;
}

const options = (q: string, sigma: string, steps: string, delta = '1e-5') =>
  ['--sampling-rate', q, '--noise-multiplier', sigma, '--steps', steps, '--delta', delta] as const;

describe('chorale epsilon', () => {
  test.each([
    // Tight values, shared/docs/privacy.md sections 1 and 3.4
    ['0.05', '1', '200', 4.766],
    ['0.05', '2', '200', 1.561],
    ['1', '20', '200', 2.943],
  ])('q %s, sigma %s, T %s: %d', async (q, sigma, steps, tight) => {
    const text = await printed(...options(q, sigma, steps), '--json');
    const { epsilon: value, accountant, reason } = lastLine(text);
    expect(value).toBeGreaterThan(tight - 0.001);
    expect(value).toBeLessThan(1.002 * tight + 0.001);
    expect({ accountant, reason }).toEqual({ accountant: 'pld', reason: null });
    expect(String(value)).toMatch(/^\d+\.\d{1,6}$/);
    expect(text).toContain(`epsilon ${String(value)} at delta 0.00001`);
  });

  test('the Rényi accountant, asked for, says more', async () => {
    const { epsilon: value, accountant } = lastLine(
      await printed(...options('0.05', '1', '200'), '--accountant', 'rdp', '--json'),
    );
    expect(value).toBeCloseTo(5.3677, 3);
    expect(accountant).toBe('rdp');
  });

  test('where the tight accountant cannot tell, it says so', async () => {
    const text = await printed(...options('0.05', '0.05', '200'), '--json');
    const { accountant, reason } = lastLine(text);
    expect(accountant).toBe('rdp');
    expect(reason).toMatch(/noiseMultiplier/);
    expect(text).toContain(reason);
  });

  describe('of a run config', () => {
    let directory = '';
    beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'chorale-epsilon-'))));
    afterEach(() => rmSync(directory, { recursive: true }));
    const runFile = (privacy: unknown, count = 20) => {
      const path = join(directory, 'run.json');
      const config = {
        name: 'sentiment',
        task: { type: 'sequence-classification', labels: ['negative', 'positive'] },
        training: {
          localSteps: 10,
          learningRate: 0.5,
          samplingRate: 0.05,
          expectedBatchSize: 32,
          clippingNorm: 2,
        },
        privacy,
        rounds: { count, cohortSize: 3, minimumUpdates: 2 },
      };
      writeFileSync(path, JSON.stringify(config));
      return path;
    };

    test('after each tenth of its rounds', async () => {
      const path = runFile({ unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 });
      const report = lastLine(await printed('--config', path, '--json'));
      const rounds = report.rounds as { round: number; epsilon: number }[];
      expect(rounds.map(({ round }) => round)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20]);
      // 20 rounds of 10 steps; after 10 rounds 3.50 (privacy.md, section 2.5)
      expect(report.epsilon).toBeCloseTo(4.766, 2);
      expect(rounds[4]!.epsilon).toBeCloseTo(3.5, 2);
    });

    test('never twice for the same round', async () => {
      const path = runFile({ unit: 'example', noiseMultiplier: 1, targetDelta: 1e-5 }, 3);
      const { rounds } = lastLine(await printed('--config', path, '--json'));
      expect((rounds as { round: number }[]).map(({ round }) => round)).toEqual([1, 2, 3]);
    });

    test('calibrates the noise of a target', async () => {
      const path = runFile({ unit: 'example', targetEpsilon: 6, targetDelta: 1e-5 });
      const { epsilon: value } = lastLine(await printed('--config', path, '--json'));
      expect(value).toBeLessThanOrEqual(6);
      expect(value).toBeGreaterThan(5.98);
    });

    test('a run without protection has none', async () => {
      const text = await printed('--config', runFile({ unit: 'none' }), '--json');
      expect(text).toContain('no privacy protection');
      expect(lastLine(text)).toMatchObject({
        epsilon: null,
        reason: expect.stringContaining('none') as string,
      });
    });

    test('takes no option that the file decides', async () => {
      const path = runFile({ unit: 'none' });
      await expect(epsilon(['--config', path, '--steps', '3'])).rejects.toThrow(
        '--steps comes from the file',
      );
      await expect(epsilon(['--config', join(directory, 'none.json')])).rejects.toThrow('none.json');
    });
  });

  test.each([
    [options('0', '1', '200'), '--sampling-rate: expected a number over 0 and up to 1, got 0'],
    [options('1.5', '1', '200'), '--sampling-rate'],
    [options('0.05', '-1', '200'), '--noise-multiplier: expected a number over 0, got -1'],
    [options('0.05', 'much', '200'), '--noise-multiplier'],
    [options('0.05', '1', '2.5'), '--steps: expected a whole number from 1, got 2.5'],
    [options('0.05', '1', '200', '1'), '--delta: expected a number between 0 and 1, got 1'],
    [options('0.05', '1', '200').slice(0, 4), 'expected --steps'],
    [
      [...options('0.05', '1', '200'), '--accountant', 'gdp'],
      '--accountant: expected one of pld, rdp, got gdp',
    ],
  ])('%j is refused', async (args, message) => {
    const equals = args.flatMap((arg, i) => (arg.startsWith('--') ? [`${arg}=${args[i + 1] ?? ''}`] : []));
    const failure = await epsilon(equals).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(message) as string,
    });
  });

  test('as a program: result on the last line, errors on stderr and in the exit code', async () => {
    const [good, bad, help] = await Promise.all([
      runCli('epsilon', ...options('0.05', '1', '200'), '--json'),
      runCli('epsilon', ...options('7', '1', '200'), '--json'),
      runCli('epsilon', '--help'),
    ]);
    expect(good).toMatchObject({ code: 0, stderr: '' });
    expect(lastLine(good.stdout).epsilon).toBeCloseTo(4.766, 2);
    expect(bad).toMatchObject({ code: 1, stdout: '' });
    expect(bad.stderr).toMatch(/^CONFIG_INVALID: --sampling-rate/);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('--noise-multiplier');
  });
});
