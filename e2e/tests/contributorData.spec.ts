import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { strToU8, zipSync } from 'fflate';
import { SMALL_RUN, csvRows } from '../support/runs.ts';
import type { Tab } from '../support/tab.ts';
import { chooseFile, chooseRows } from '../support/tab.ts';
import { expect, test } from '../support/test.ts';

/** A file that cannot be used, and what the page must say: what was found, and what to do. */
type Refusal = { what: string; name: string; contents: string | Uint8Array; found: string; advice: string };

const UTF8_ADVICE = 'Save it as a CSV, TSV or JSONL text file in UTF-8 and choose that file.';

/** Refused as soon as the file is chosen. */
const UNREADABLE: Refusal[] = [
  {
    what: 'an empty file',
    name: 'empty.csv',
    contents: '',
    found: 'empty.csv is empty.',
    advice: 'It needs a header row and one row per text with its label.',
  },
  {
    what: 'a file with NUL bytes',
    name: 'photo.csv',
    contents: Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13, 0x49, 0x48),
    found: 'photo.csv is not a text file.',
    advice: UTF8_ADVICE,
  },
  {
    what: 'a zip (a spreadsheet)',
    name: 'rows.xlsx',
    contents: zipSync({ 'xl/workbook.xml': strToU8('<workbook/>') }),
    found: 'rows.xlsx is a spreadsheet or an archive, not a text file.',
    advice: UTF8_ADVICE,
  },
  {
    what: 'text that is not UTF-8',
    name: 'latin.csv',
    contents: Buffer.from('text,label\nFieber gemäß Arzt,health\n', 'latin1'),
    found: 'latin.csv is not text in UTF-8.',
    advice: UTF8_ADVICE,
  },
  {
    what: 'one column',
    name: 'texts.txt',
    contents: 'text\nthe doctor came\nthe bank sent a bill\n',
    found: 'texts.txt has one column only.',
    advice: 'Expected CSV, TSV or JSONL with a column for the text and one for the label.',
  },
  {
    what: 'a header without rows',
    name: 'header.csv',
    contents: 'text,label\n',
    found: 'header.csv has a header (text, label) but no rows under it.',
    advice: '',
  },
];

/** Refused when the columns are chosen. */
const UNUSABLE: Refusal[] = [
  {
    what: 'no label of the task',
    name: 'sport.csv',
    contents: `text,label\n${'the match was long,sport\n'.repeat(6)}${'a new law,politics\n'.repeat(6)}`,
    found: 'No row of column "label" has a label of this task (health, money). Found: "sport", "politics".',
    advice: 'Choose another label column, or rename the labels in the file.',
  },
  {
    what: 'too few rows',
    name: 'few.csv',
    contents: csvRows(5),
    found: 'Only 5 of 5 rows can be used; at least 8 are needed.',
    advice: 'Add rows, or check the chosen columns.',
  },
];

function refusalOf(page: Page) {
  return page.getByRole('alert').filter({ hasText: 'These rows cannot be used' });
}

/** After a refusal nothing of the old file is in the way: another one works. */
async function expectAnotherFileWorks(tab: Tab): Promise<void> {
  await chooseRows(tab, csvRows(20));
  await expect(tab.page.getByRole('heading', { name: '20 rows of 20 will be used' })).toBeVisible();
  await expect(refusalOf(tab.page)).toBeHidden();
  await expect(tab.page.getByLabel('I have read what leaves my device')).toBeVisible();
}

test('files that cannot be read or used are refused with what was found and what to do', async ({
  serve,
  newTab,
}) => {
  const { tabUrl } = await serve(SMALL_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(tabUrl);
  for (const { what, name, contents, found, advice } of UNREADABLE) {
    await test.step(what, async () => {
      await chooseFile(tab, name, contents);
      await expect(refusalOf(page)).toContainText(`${found} ${advice}`.trim());
      await expect(page.getByRole('button', { name: 'Use these rows' })).toBeHidden();
    });
  }
  await expectAnotherFileWorks(tab);
  for (const { what, name, contents, found, advice } of UNUSABLE) {
    await test.step(what, async () => {
      await chooseFile(tab, name, contents);
      await page.getByRole('button', { name: 'Use these rows' }).click();
      await expect(refusalOf(page)).toContainText(`${found} ${advice}`);
      // The rows of the file before are gone too, and with them the question for consent
      await expect(page.getByLabel('I have read what leaves my device')).toBeHidden();
    });
    await expectAnotherFileWorks(tab);
  }
});

test('good rows are kept; those that are skipped are listed with the reason', async ({ serve, newTab }) => {
  const { tabUrl } = await serve(SMALL_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(tabUrl);
  const bad = [
    'a new law,politics', // row 13
    ',health', // row 14
    'a row, with one comma, too many,money', // row 15
    'the match,Sport', // row 16
  ];
  const more = ['  the nurse was kind , HEALTH ', 'the rent is due,1']; // label names fold case; 1 is money
  await chooseRows(tab, [csvRows(12).trimEnd(), ...bad, ...more, ''].join('\n'));
  await expect(page.getByRole('heading', { name: '14 rows of 18 will be used' })).toBeVisible();
  const counts = page.getByRole('table', { name: 'Rows used of each label' });
  await expect(counts.getByRole('row', { name: 'health' })).toHaveText('health7');
  await expect(counts.getByRole('row', { name: 'money' })).toHaveText('money7');
  const skipped = page.getByRole('table', { name: '4 rows are skipped' });
  await expect(skipped.getByRole('row')).toHaveText([
    'ReasonRowsWhich rows',
    'not as many cells as the header, or not valid JSON115',
    'label is none of: health, money213, 16',
    'no text114',
  ]);
  await expect(page.getByText('These counts are shown to you only; they are never sent.')).toBeVisible();
  await expect(page.getByLabel('I have read what leaves my device')).toBeVisible();
});

test('rows can be pasted, refused, mended and removed again', async ({ serve, newTab }) => {
  const { tabUrl } = await serve(SMALL_RUN);
  const { page } = await newTab();
  await page.goto(tabUrl);
  const paste = page.getByLabel('Or paste rows');
  await paste.fill('just one sentence that somebody typed');
  await expect(refusalOf(page)).toContainText('The pasted text has one column only.');

  // As cells come from a spreadsheet: tabs, and columns of other names in another order
  const cells = Array.from({ length: 9 }, (_, i) => `${i}\tmoney\tthe "bank" sent bill ${i}`);
  await paste.fill(['id\tclass\tnote', ...cells].join('\n'));
  await expect(page.getByRole('heading', { name: '9 rows, read as TSV' })).toBeVisible();
  await expect(refusalOf(page)).toBeHidden();
  await expect(page.getByLabel('Text column')).toHaveValue('note');
  await expect(page.getByLabel('Label column')).toHaveValue('class');

  await page.getByLabel('Text column').selectOption('class');
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await expect(page.getByText('Text and label must be two different columns.')).toBeVisible();
  await page.getByLabel('Text column').selectOption('note');
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await expect(page.getByRole('heading', { name: '9 rows of 9 will be used' })).toBeVisible();

  await page.getByRole('button', { name: 'Remove these rows' }).click();
  await expect(paste).toHaveValue('');
  await expect(page.getByRole('heading', { name: '9 rows of 9 will be used' })).toBeHidden();
  await expect(page.getByLabel('I have read what leaves my device')).toBeHidden();
});

test('a file far over 50 MB is refused at once, and the page does not freeze', async ({ serve, newTab }) => {
  const { tabUrl } = await serve(SMALL_RUN);
  const tab = await newTab();
  const { page } = tab;
  await page.goto(tabUrl);
  const folder = mkdtempSync(join(tmpdir(), 'chorale-e2e-large-'));
  try {
    // Sparse: it takes no room on the disk, but reading it would take long
    const path = join(folder, 'large.csv');
    writeFileSync(path, csvRows(20));
    truncateSync(path, 1024 ** 3);
    await page.evaluate(() => {
      const beats = { last: performance.now(), longestGapMs: 0 };
      Object.assign(globalThis, { beats });
      setInterval(() => {
        const now = performance.now();
        beats.longestGapMs = Math.max(beats.longestGapMs, now - beats.last);
        beats.last = now;
      }, 20);
    });
    const startedAt = performance.now();
    await page.getByLabel('Choose a file').setInputFiles(path);
    await expect(refusalOf(page)).toContainText(
      'large.csv has 1024.0 MB; at most 50 MB are read. Split the file and take one part.',
    );
    // Generous for a busy machine; reading a gigabyte in the page takes longer than both
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    const longestGapMs = await page.evaluate(
      () => (globalThis as unknown as { beats: { longestGapMs: number } }).beats.longestGapMs,
    );
    expect(longestGapMs).toBeLessThan(2_000);
    await expectAnotherFileWorks(tab);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
