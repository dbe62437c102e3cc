/** How many tests of one report passed, failed, were skipped. */
export type TestCounts = { passed: number; failed: number; skipped: number };

/** The counts of one report, and the names of the tests that failed. */
export type TestResults = TestCounts & { failures: string[] };

type VitestReport = {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  numTodoTests: number;
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[];
};

type PlaywrightSuite = {
  title: string;
  specs?: { title: string; ok: boolean }[];
  suites?: PlaywrightSuite[];
};

type PlaywrightReport = {
  suites: PlaywrightSuite[];
  stats: { expected: number; unexpected: number; flaky: number; skipped: number };
  errors: unknown[];
};

/**
 * Reads the JSON report of vitest. A file that failed before its first test (a syntax error, a failing import)
 * counts as one failed test: vitest itself counts no test for it.
 */
export function countVitest(report: VitestReport): TestResults {
  const failures = report.testResults
    .filter((file) => file.status === 'failed')
    .map((file) => ({ file, tests: file.assertionResults.filter((test) => test.status === 'failed') }));
  const brokenFiles = failures.filter(({ tests }) => tests.length === 0).length;
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles,
    skipped: report.numPendingTests + report.numTodoTests,
    failures: failures.flatMap(({ file, tests }) =>
      tests.length === 0 ? [file.name] : tests.map((test) => `${file.name}: ${test.fullName}`),
    ),
  };
}

/** Reads the JSON report of Playwright. A test that passed only when tried again counts as failed. */
export function countPlaywright(report: PlaywrightReport): TestResults {
  const { expected, unexpected, flaky, skipped } = report.stats;
  return {
    passed: expected,
    failed: unexpected + flaky + report.errors.length,
    skipped,
    failures: report.suites.flatMap(failedSpecs),
  };
}

function failedSpecs({ title, specs = [], suites = [] }: PlaywrightSuite): string[] {
  const own = specs.filter(({ ok }) => !ok).map((spec) => spec.title);
  return [...own, ...suites.flatMap(failedSpecs)].map((name) => (title === '' ? name : `${title}: ${name}`));
}

/** The counts of a step: a command that fails, or that ran no test, never counts as passed. */
export function judge<Counts extends TestCounts>(counts: Counts, exitCode: number): Counts {
  const ranNothing = counts.passed + counts.failed === 0;
  const failedOutsideTests = exitCode !== 0 && counts.failed === 0;
  return ranNothing || failedOutsideTests ? { ...counts, failed: counts.failed + 1 } : counts;
}

export function sum(all: readonly TestCounts[]): TestCounts {
  const total: TestCounts = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of all) {
    total.passed += passed;
    total.failed += failed;
    total.skipped += skipped;
  }
  return total;
}

/** @returns `N passed, N failed`, with `, N skipped` only when something was skipped */
export function summaryLine({ passed, failed, skipped }: TestCounts): string {
  return `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
}
