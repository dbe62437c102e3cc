import { expect, test } from 'vitest';
import { noise } from './noise.ts';
import { lastLine, runCli } from './testing/runCli.ts';

const options = (targetEpsilon: string, q: string, steps: string) =>
  `--target-epsilon ${targetEpsilon} --delta 1e-5 --sampling-rate ${q} --steps ${steps}`.split(' ');

test('chorale noise finds what chorale epsilon confirms', async () => {
  const found = await runCli('noise', ...options('4.766', '0.05', '200'), '--json');
  expect(found).toMatchObject({ code: 0, stderr: '' });
  const { noiseMultiplier, epsilon } = lastLine(found.stdout) as { noiseMultiplier: number; epsilon: number };
  // Tight: 4.766 at noise multiplier 1 (privacy.md, section 3.4)
  expect(noiseMultiplier).toBeCloseTo(1, 2);
  expect(epsilon).toBeLessThanOrEqual(4.766);
  expect(found.stdout).toContain(`noise multiplier ${noiseMultiplier}: epsilon ${epsilon}`);

  const epsilonOf = async (multiplier: number) => {
    const args = `--sampling-rate 0.05 --noise-multiplier ${multiplier} --steps 200 --delta 1e-5 --json`;
    const { stdout } = await runCli('epsilon', ...args.split(' '));
    return lastLine(stdout).epsilon;
  };
  expect(await epsilonOf(noiseMultiplier)).toBe(epsilon);
  expect(await epsilonOf(noiseMultiplier - 1e-4)).toBeGreaterThan(4.766);
});

test('sampling rate 1', async () => {
  const { code, stdout } = await runCli('noise', ...options('2.95', '1', '200'), '--json');
  expect(code).toBe(0);
  expect(lastLine(stdout).noiseMultiplier).toBeCloseTo(20, 0);
});

test.each([
  [options('0', '0.05', '200'), '--target-epsilon: expected a number over 0, got 0'],
  [options('4', '2', '200'), '--sampling-rate'],
  [options('4', '0.05', '0'), '--steps'],
  [options('4', '0.05', '200').slice(0, 6), 'expected --steps'],
])('%j is refused', async (args, message) => {
  const failure = await noise(args).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(message) as string,
  });
});
