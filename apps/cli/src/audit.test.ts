import { expect, test } from 'vitest';
import { audit, describeAudit } from './audit.ts';
import { lastLine, runCli } from './testing/runCli.ts';

// Real coins: so confident that a correct program fails this test about once in 10,000 runs, not once in 1,000
const QUICK = ['--steps', '100', '--canaries', '600', '--confidence', '0.999999'];

test('chorale audit passes this program, and says so to people and programs', async () => {
  const { code, stdout, stderr } = await runCli('audit', ...QUICK, '--json');
  expect(stderr).not.toContain('Error');
  expect(code).toBe(0);
  expect(stdout).toMatch(/^Claimed: epsilon 3\.50\d at delta 0\.00001, for 100 steps/);
  expect(stdout).toContain('Verdict: passed.');
  expect(stdout).not.toContain('FAILED');
  const report = lastLine(stdout);
  expect(report).toMatchObject({ passed: true, claimed: { samplingRate: 0.05, steps: 100 } });
});

test('what is refuted is said part by part', () => {
  const text = describeAudit({
    claimed: {
      epsilon: 4.7661,
      delta: 1e-5,
      samplingRate: 0.05,
      noiseMultiplier: 1,
      steps: 200,
      localSteps: 1,
    },
    canaries: { present: 990, absent: 1010 },
    confidence: 0.999,
    contribution: { largest: 1.00014, absentLargest: 0.0004, passed: true },
    coins: {
      observedRate: 0.05,
      rateLower: 0.0490096,
      rateUpper: 0.0510014,
      batchSizeScore: -16,
      participationScore: 0.5,
      passed: false,
    },
    noise: { ratio: 0.5, sizeScore: -237, releaseScore: 0.3, neighbourScore: 0.1, passed: false },
    game: {
      passed: false,
      rates: {
        threshold: -2,
        falsePositiveRate: 0.1,
        falseNegativeRate: 0.2,
        falsePositiveUpper: 0.1401,
        falseNegativeUpper: 0.2504,
      },
      leastFalseNegativeRate: 0.4209,
      epsilonAtLeast: 2.108,
      gaussian: { epsilonAtLeast: 8.407, noiseMultiplierAtMost: 0.7001 },
    },
    passed: false,
  });
  expect(text).toContain('Claimed: epsilon 4.767 at delta 0.00001');
  expect(text).toMatch(/ok {5}clipping/);
  expect(text).toMatch(/FAILED coins: .* -16\.0/);
  expect(text).toMatch(/FAILED noise: 0\.5000 of what is claimed/);
  expect(text).toMatch(/FAILED guessing 990 present and 1010 absent canaries/);
  expect(text).toContain('the claim demands at least 42.0 %');
  expect(text).toContain('at least 8.40 if it is Gaussian noise');
  expect(text).toMatch(/Verdict: REFUTED/);
  // Bounds are rounded to the side on which they stay true
  expect(text).toContain('by at most 1.001 of clippingNorm, one that was not there by 0.001');
  expect(text).toContain('probability 0.04900 to 0.05101');
  expect(text).toContain('false positives (at most 14.1 %)');
  expect(text).toContain('(at most 25.1 %, where');
  expect(text).toContain('at least 2.10 whatever the mechanism is');
  expect(text).toContain('cannot show more than 6.9)');
  expect(text).toContain('noise multiplier of at most 0.701');
});

test.each([
  [['--sampling-rate', '0'], '--sampling-rate'],
  [['--local-steps', '7'], '--local-steps: expected a divisor of 200 steps, got 7'],
  [['--canaries', '10'], '--canaries'],
  [['--confidence', '1'], '--confidence'],
  [['--clipping', 'none'], '--clipping: expected one of flat, automatic, got none'],
  [['--backend', 'webgpu'], 'needs a browser'],
  [['--config', 'run.json', '--delta', '1e-6'], '--delta comes from the file'],
])('%j is refused', async (args, message) => {
  const failure = await audit(args).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining(message) as string,
  });
});
