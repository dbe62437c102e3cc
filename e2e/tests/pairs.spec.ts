import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import type { RunConfigInput } from '@chorale/protocol';
import { lastLineOf, runCli } from '../support/cli.ts';
import { SMALL_RUN, fetchRun } from '../support/runs.ts';
import { chooseFile, chooseRows, contribute, statusOf } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

const LABELS = ['entailment', 'not_entailment'] as const;

/** Two rounds of three contributors on pairs of texts. */
const PAIR_RUN: RunConfigInput = {
  ...SMALL_RUN,
  name: 'pairs',
  task: { type: 'sequence-classification', labels: [...LABELS], maxTokens: 16, textPair: true },
  rounds: { count: 2, cohortSize: 3, minimumUpdates: 3, deadlineSeconds: 120 },
};

const PREMISES = ['the doctor came about the fever', 'the bank sent the bill', 'my wages went into a loan'];
const FOLLOWS = ['somebody was ill', 'there is money to pay', 'somebody owed money'];

/** A CSV of short pairs, half of each label. */
function pairRows(count: number, [first, second, label]: readonly [string, string, string]): string {
  const rows = Array.from({ length: count }, (_, i) => {
    const premise = i >> 1;
    const hypothesis = FOLLOWS[(premise + (i % 2)) % FOLLOWS.length]!;
    return `${i},${PREMISES[premise % PREMISES.length]!} ${i},${hypothesis},${LABELS[i % 2]!}`;
  });
  return [`row,${first},${second},${label}`, ...rows, ''].join('\n');
}

const NAMED = ['premise', 'hypothesis', 'label'] as const;

test.use({ testRows: pairRows(12, NAMED) });

test('two tabs and a process train on pairs, and the server measures on pairs', async ({ serve, newTab }) => {
  const { tabUrl, contributeUrl, server } = await serve(PAIR_RUN);
  const [named, unnamed] = [await newTab(), await newTab()];
  await contribute(named, tabUrl, pairRows(20, NAMED));

  // Names nobody could guess the order from: chosen by hand, the other way round
  const { page } = unnamed;
  await page.goto(tabUrl);
  await chooseFile(unnamed, 'rows.csv', pairRows(20, ['note', 'remark', 'gold']));
  await page.getByLabel('First text column').selectOption('remark');
  await page.getByLabel('Second text column').selectOption('note');
  await expect(page.getByLabel('Label column')).toHaveValue('gold');
  await expect(
    page.getByText(
      'Of each row the texts “remark” and “note”, in this order, and the label “gold” are used.',
    ),
  ).toBeVisible();
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await expect(page.getByRole('heading', { name: '20 rows of 20 will be used' })).toBeVisible();
  await page.getByLabel('I have read what leaves my device').check();
  await page.getByRole('button', { name: 'I agree, start contributing' }).click();

  const path = join(server.directory, 'process.csv');
  writeFileSync(path, pairRows(20, ['note', 'remark', 'gold']));
  const columns = ['--text', 'note', '--text-pair', 'remark', '--label', 'gold'];
  const nothingKept = ['--ledger', 'memory', '--model-cache', 'none'];
  const args = ['--server', contributeUrl, '--data', path, ...columns, ...nothingKept, '--json'];
  const process = await runCli(['contribute', ...args]);
  expect(process).toMatchObject({ exitCode: 0, stderr: '' });
  expect(lastLineOf(process)).toMatchObject({ acceptedRounds: 2, ended: { because: 'run-completed' } });
  for (const tab of [named, unnamed]) await expect(statusOf(tab)).toHaveAttribute('data-status', 'stopped');

  const { run, state, rounds } = await fetchRun(contributeUrl);
  expect([run.plan.config.task.textPair, state.status]).toEqual([true, 'completed']);
  expect(rounds.map(({ received }) => received)).toEqual([0, 3, 3]);
  for (const { testAccuracy, testLoss } of rounds) {
    expect(testAccuracy).toBeGreaterThanOrEqual(0);
    expect(testLoss).toBeGreaterThan(0);
  }
});

test('pairs on a narrow page: what is chosen, skipped and cut is said; nothing that axe finds', async ({
  serve,
  newTab,
}) => {
  const { tabUrl } = await serve(PAIR_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(tabUrl);
  const expectClean = async () => {
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ target }) => target.join(' '))])).toEqual([]);
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBe(0);
  };

  // One text only: the second column is asked for
  await chooseRows(
    tab,
    ['text,label', ...Array.from({ length: 9 }, () => 'a story,entailment'), ''].join('\n'),
  );
  await expect(page.getByLabel('Second text column')).toHaveAccessibleDescription('Choose a column.');
  await expectClean();

  // A pair is cut when both texts together are too long: 9 and 7 words and 3 special tokens
  const long = 'the doctor came to the house of my nurse,the bank sent the bill to me,entailment';
  const short = 'a b c d e f,g h i j k l m,entailment'; // 6 + 7 + 3 = 16 tokens
  const rows = ['premise,hypothesis,label', long, short, 'alone,,entailment', ',alone,entailment'];
  await chooseRows(
    tab,
    [...rows, ...Array.from({ length: 8 }, () => 'a b,c d,not_entailment'), ''].join('\n'),
  );
  await expect(page.getByRole('heading', { name: '10 rows of 12 will be used' })).toBeVisible();
  await expect(
    page.getByText('1 pair is longer than 16 tokens, both texts together, and will be cut'),
  ).toBeVisible();
  const skipped = page.getByRole('table', { name: '2 rows are skipped' });
  await expect(skipped.getByRole('row')).toHaveText([
    'ReasonRowsWhich rows',
    'no second text13',
    'no first text14',
  ]);
  await expectClean();
});
