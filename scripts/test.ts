// `npm test`: every check of the repository, one after the other, to the end even when one fails.
// `npm test -- lint unit` runs only the named steps.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM_VARIABLE, ensureChromium } from '../packages/chromium/src/index.ts';
import { countPlaywright, countVitest, judge, sum, summaryLine, type TestResults } from './testReports.ts';
import { ROOT, runTool, type ToolCommand } from './tool.ts';

type Step =
  | { kind: 'check'; name: string; commands: ToolCommand[] }
  | { kind: 'vitest'; name: string }
  | { kind: 'playwright'; name: string };

type StepResult = { name: string; counts: TestResults; seconds: number };

const STEPS: Step[] = [
  {
    kind: 'check',
    name: 'format',
    commands: [{ tool: 'prettier', args: ['--check', '--log-level=warn', '.'] }],
  },
  { kind: 'check', name: 'lint', commands: [{ tool: 'oxlint', args: ['--type-aware', '--deny-warnings'] }] },
  {
    kind: 'check',
    name: 'typecheck',
    commands: [
      { tool: 'turbo', args: ['run', 'typecheck', '--output-logs=errors-only', '--continue'] },
      { tool: 'tsc', args: ['-p', 'tsconfig.json'] },
    ],
  },
  {
    kind: 'check',
    name: 'build',
    commands: [{ tool: 'turbo', args: ['run', 'build', '--output-logs=errors-only'] }],
  },
  { kind: 'vitest', name: 'unit' },
  { kind: 'vitest', name: 'browser' },
  { kind: 'playwright', name: 'e2e' },
];

const NO_TEST: TestResults = { passed: 0, failed: 0, skipped: 0, failures: [] };

process.exitCode = await main(process.argv.slice(2));

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name));
  if (unknown.length > 0) {
    console.error(
      `Expected steps out of ${STEPS.map((step) => step.name).join(', ')}; got ${unknown.join(', ')}.`,
    );
    return 1;
  }
  const steps = names.length === 0 ? STEPS : STEPS.filter((step) => names.includes(step.name));
  const reports = mkdtempSync(join(tmpdir(), 'chorale-test-'));
  try {
    const results = await runSteps(steps, reports);
    console.log('');
    for (const { name, counts, seconds } of results) {
      console.log(`  ${name.padEnd(10)} ${seconds.toFixed(1).padStart(7)} s   ${summaryLine(counts)}`);
    }
    // Repeated here: what a test printed may be far above, or cut off
    for (const { name, counts } of results) {
      for (const failure of counts.failures) console.log(`  failed in ${name}: ${failure.replace(ROOT, '')}`);
    }
    const total = sum(results.map((result) => result.counts));
    if (total.skipped > 0) console.log(`  ${total.skipped} skipped: they say above what they miss`);
    console.log(summaryLine({ ...total, skipped: 0 }));
    return total.failed === 0 ? 0 : 1;
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

async function runSteps(steps: Step[], reports: string): Promise<StepResult[]> {
  const results: StepResult[] = [];
  const env: NodeJS.ProcessEnv = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1' };
  if (steps.some((step) => step.kind !== 'check')) {
    const chromium = await timed('chromium', () => provideChromium(env));
    // Only worth a line when it failed: the tests that need it say the rest.
    if (chromium.counts.failed > 0) results.push(chromium);
  }
  for (const step of steps) {
    console.log(`\n── ${step.name} ${'─'.repeat(60 - step.name.length)}`);
    results.push(await timed(step.name, () => runStep(step, reports, env)));
  }
  return results;
}

/** Finds or installs a Chromium and names it to the steps. */
async function provideChromium(env: NodeJS.ProcessEnv): Promise<TestResults> {
  try {
    const chromium = await ensureChromium({ log: (line) => console.log(line), env });
    if (chromium.path !== null) {
      env[CHROMIUM_VARIABLE] = chromium.path;
      return NO_TEST;
    }
    console.error(`The browser tests need Chromium, and there is none:\n  ${chromium.reasons.join('\n  ')}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
  }
  return { ...NO_TEST, failed: 1 };
}

async function timed(name: string, run: () => Promise<TestResults>): Promise<StepResult> {
  const startedAt = performance.now();
  const counts = await run();
  return { name, counts, seconds: (performance.now() - startedAt) / 1000 };
}

async function runStep(step: Step, reports: string, env: NodeJS.ProcessEnv): Promise<TestResults> {
  const report = join(reports, `${step.name}.json`);
  switch (step.kind) {
    case 'check': {
      let failed = false;
      for (const command of step.commands) failed = (await runTool(command, env)) !== 0 || failed;
      return { ...NO_TEST, passed: failed ? 0 : 1, failed: failed ? 1 : 0 };
    }
    case 'vitest': {
      const args = ['run', `--project=${step.name}`, '--reporter=default', '--reporter=json'];
      const exitCode = await runTool({ tool: 'vitest', args: [...args, `--outputFile.json=${report}`] }, env);
      return judge(readCounts(report, countVitest), exitCode);
    }
    case 'playwright': {
      const args = ['test', '--config', join(ROOT, 'e2e/playwright.config.ts'), '--reporter=list,json'];
      const exitCode = await runTool(
        { tool: 'playwright', args },
        { ...env, PLAYWRIGHT_JSON_OUTPUT_FILE: report },
      );
      return judge(readCounts(report, countPlaywright), exitCode);
    }
  }
}

/** @returns no test at all when the tool ended before it could write its report */
function readCounts<Report>(path: string, count: (report: Report) => TestResults): TestResults {
  try {
    return count(JSON.parse(readFileSync(path, 'utf8')) as Report);
  } catch (error) {
    console.error(`No usable test report: ${error instanceof Error ? error.message : String(error)}`);
    return NO_TEST;
  }
}
