import { describe, expect, test } from 'vitest';
import { countPlaywright, countVitest, judge, sum, summaryLine } from './testReports.ts';

const passed = { fullName: 'adds', status: 'passed' };
const passedFile = {
  name: 'a.test.ts',
  status: 'passed',
  assertionResults: [passed, { fullName: 'waits', status: 'pending' }],
};
const failedFile = {
  name: 'b.test.ts',
  status: 'failed',
  assertionResults: [{ fullName: 'subtracts', status: 'failed' }, passed],
};
const brokenFile = { name: 'c.test.ts', status: 'failed', assertionResults: [] };

describe('countVitest', () => {
  test('takes the counts of the report', () => {
    const report = { numPassedTests: 2, numFailedTests: 1, numPendingTests: 1, numTodoTests: 2 };
    expect(countVitest({ ...report, testResults: [passedFile, failedFile] })).toEqual({
      passed: 2,
      failed: 1,
      skipped: 3,
      failures: ['b.test.ts: subtracts'],
    });
  });

  test('a file that could not be loaded is a failed test', () => {
    const report = { numPassedTests: 1, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
    const counts = countVitest({ ...report, testResults: [passedFile, brokenFile] });
    expect(counts).toMatchObject({ failed: 1, failures: ['c.test.ts'] });
  });
});

test('countPlaywright: a flaky test and an error outside of tests count as failed', () => {
  const stats = { expected: 5, unexpected: 1, flaky: 1, skipped: 2 };
  const inner = {
    title: 'a group',
    specs: [
      { title: 'counts', ok: false },
      { title: 'shows', ok: true },
    ],
  };
  const suites = [{ title: 'demo.spec.ts', specs: [{ title: 'runs', ok: false }], suites: [inner] }];
  expect(countPlaywright({ stats, suites, errors: ['config'] })).toEqual({
    passed: 5,
    failed: 3,
    skipped: 2,
    failures: ['demo.spec.ts: runs', 'demo.spec.ts: a group: counts'],
  });
});

describe('judge', () => {
  test('leaves an honest result alone', () => {
    expect(judge({ passed: 3, failed: 0, skipped: 1 }, 0)).toEqual({ passed: 3, failed: 0, skipped: 1 });
    expect(judge({ passed: 3, failed: 2, skipped: 0 }, 1)).toEqual({ passed: 3, failed: 2, skipped: 0 });
  });

  test('a step that ran no test failed, even when all were skipped', () => {
    expect(judge({ passed: 0, failed: 0, skipped: 0 }, 0).failed).toBe(1);
    expect(judge({ passed: 0, failed: 0, skipped: 4 }, 0).failed).toBe(1);
  });

  test('a command that fails although every test passed failed', () => {
    expect(judge({ passed: 3, failed: 0, skipped: 0 }, 1).failed).toBe(1);
  });
});

test('the last line', () => {
  const counts = sum([
    { passed: 3, failed: 0, skipped: 0 },
    { passed: 4, failed: 1, skipped: 0 },
  ]);
  expect(summaryLine(counts)).toBe('7 passed, 1 failed');
  expect(summaryLine({ ...counts, skipped: 2 })).toBe('7 passed, 1 failed, 2 skipped');
});
