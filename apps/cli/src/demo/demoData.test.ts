import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ChoraleError, parseRunConfig } from '@chorale/protocol';
import type { RunConfig } from '@chorale/protocol';
import { parseLabelledRows, readTable } from '@chorale/trainer';
import type { DemoData } from './demoData.ts';
import { prepareDemoData } from './demoData.ts';

let directory: string;
let out: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-demo-'));
  out = join(directory, 'demo', 'files');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

function write(name: string, content: string | Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, content);
  return path;
}

/** The config as the server reads it. */
const configOf = (data: DemoData): RunConfig =>
  parseRunConfig(JSON.parse(readFileSync(data.configPath, 'utf8')), 'run.json');

/** A tab's rows as its page reads them. */
const rowsOf = (path: string): string[][] =>
  readTable(new Uint8Array(readFileSync(path)), 'tab.csv', ['no label of any test']).rows;

const sampleBytes = (name: string): Buffer =>
  readFileSync(new URL(`../../../../assets/samples/${name}`, import.meta.url));
const sampleRows = (name: string): string[][] =>
  readTable(new Uint8Array(sampleBytes(name)), name, ['health', 'money']).rows;

function failureOf(act: () => unknown): ChoraleError {
  try {
    act();
  } catch (error) {
    if (error instanceof ChoraleError) return error;
    throw error;
  }
  throw new Error('expected an error');
}

describe('the samples', () => {
  test('one file a tab where there are three tabs', () => {
    const data = prepareDemoData(out, { tabs: 3, rounds: 4, own: null });
    expect(data.tabFiles.map(rowsOf)).toEqual([1, 2, 3].map((n) => sampleRows(`contributor-${n}.csv`)));
    expect(data.minimumUpdates).toBe(2);
    const config = configOf(data);
    expect(config).toMatchObject({
      name: 'notes',
      task: { labels: ['health', 'money'] },
      rounds: { count: 4, cohortSize: 3, minimumUpdates: 2 },
      evaluation: { file: 'public-test.csv' },
    });
    // An expected batch of expectedBatchSize rows in the smallest tab
    const { samplingRate, expectedBatchSize } = config.training;
    expect(samplingRate * 1200).toBeCloseTo(expectedBatchSize, 6);
    expect(readFileSync(join(out, 'public-test.csv')).equals(sampleBytes('test.csv'))).toBe(true);
  });

  test.each([
    [2, 1],
    [5, 4],
    [1, 1],
  ])('dealt in turn to %d tabs', (tabs, minimumUpdates) => {
    const data = prepareDemoData(out, { tabs, rounds: 1, own: null });
    const all = [1, 2, 3].flatMap((n) => sampleRows(`contributor-${n}.csv`));
    expect(data.tabFiles).toHaveLength(tabs);
    data.tabFiles.forEach((file, tab) => {
      expect(rowsOf(file)).toEqual(all.filter((_, i) => i % tabs === tab));
    });
    expect(data.minimumUpdates).toBe(minimumUpdates);
    const { rounds, training } = configOf(data);
    expect(rounds).toMatchObject({ cohortSize: tabs, minimumUpdates });
    expect(training.samplingRate).toBeCloseTo(training.expectedBatchSize / (3600 / tabs), 4);
  });
});

describe('own files', () => {
  const TEXTS = Array.from({ length: 24 }, (_, i) => `a "quoted" text, number ${i}`);
  const labelOf = (i: number): string => (i % 3 === 0 ? 'spam' : 'ham');
  const csv = (label = labelOf) =>
    ['text,label', ...TEXTS.map((text, i) => `"${text.replaceAll('"', '""')}",${label(i)}`)].join('\n');
  const tsv = ['message\tclass', ...TEXTS.map((text, i) => `${text}\t${labelOf(i)}`)].join('\n');
  const jsonl = TEXTS.map((text, i) => JSON.stringify({ id: i, sentence: text, label: labelOf(i) })).join(
    '\n',
  );

  test.each([
    ['mine.csv', csv()],
    ['mine.tsv', tsv],
    ['mine.jsonl', jsonl],
  ])('%s is dealt out, with its own labels', (name, content) => {
    const own = { data: write(name, content), test: write('public.csv', csv()) };
    const data = prepareDemoData(out, { tabs: 3, rounds: 2, own });
    data.tabFiles.forEach((file, tab) => {
      expect(rowsOf(file)).toEqual(
        TEXTS.map((text, i) => [text, labelOf(i)]).filter((_, i) => i % 3 === tab),
      );
    });
    const config = configOf(data);
    expect(config).toMatchObject({
      name: 'mine',
      purpose: `Classify the texts of ${name}: ham, spam.`,
      task: { labels: ['ham', 'spam'] },
      training: { samplingRate: 1 }, // eight rows a tab are fewer than an expected batch
      rounds: { count: 2, cohortSize: 3 },
      evaluation: { file: 'public-test.csv' },
    });
    expect(data.description).toContain(name);
    // Server and tabs read what was written, every row of it
    const read = (path: string) => parseLabelledRows(new Uint8Array(readFileSync(path)), path, config.task);
    for (const file of data.tabFiles) expect(read(file)).toMatchObject({ rows: { length: 8 }, skipped: [] });
    expect(read(join(out, 'public-test.csv'))).toMatchObject({ rows: { length: 24 }, skipped: [] });
  });

  test('line breaks in a text stay in it', () => {
    const broken = csv().replace('number 0"', 'number 0\nand more"');
    const own = { data: write('mine.csv', broken), test: write('public.csv', csv()) };
    const data = prepareDemoData(out, { tabs: 1, rounds: 1, own });
    expect(rowsOf(data.tabFiles[0]!)[0]).toEqual(['a "quoted" text, number 0\nand more', 'spam']);
  });

  test('labels that are equal up to case and space are one', () => {
    const mixed = csv((i) => ['Spam', ' ham', 'SPAM', 'Ham '][i % 4]!);
    const own = { data: write('mine.csv', mixed), test: write('public.csv', csv()) };
    const data = prepareDemoData(out, { tabs: 2, rounds: 1, own });
    const { labels } = configOf(data).task;
    expect(labels.map((label) => label.toLowerCase()).toSorted()).toEqual(['ham', 'spam']);
    const read = parseLabelledRows(new Uint8Array(readFileSync(data.tabFiles[0]!)), 'tab-1.csv', {
      labels,
      textPair: false,
    });
    expect(read).toMatchObject({ rows: { length: 12 }, skipped: [] });
  });

  test('the labels of the demo keep their order, however a file writes them', () => {
    const health = csv((i) => (i % 2 === 0 ? 'MONEY' : 'Health'));
    const own = { data: write('mine.csv', health), test: write('public.csv', health) };
    expect(configOf(prepareDemoData(out, { tabs: 2, rounds: 1, own })).task.labels).toEqual([
      'health',
      'money',
    ]);
  });

  test('a label that only the test file has is a label too', () => {
    const own = {
      data: write('mine.csv', csv()),
      test: write(
        'public.csv',
        csv((i) => (i === 0 ? 'other' : labelOf(i))),
      ),
    };
    expect(configOf(prepareDemoData(out, { tabs: 2, rounds: 1, own })).task.labels).toEqual([
      'ham',
      'other',
      'spam',
    ]);
  });

  test('rows without text or without label are left out', () => {
    const gaps = `${csv()}\n"",spam\n"no label",\n"  ",ham\n`;
    const own = { data: write('mine.csv', gaps), test: write('public.csv', csv()) };
    const data = prepareDemoData(out, { tabs: 1, rounds: 1, own });
    expect(rowsOf(data.tabFiles[0]!)).toHaveLength(24);
    expect(configOf(data).task.labels).toEqual(['ham', 'spam']);
  });

  test('indices 0 and 1 are labels', () => {
    const indices = csv((i) => String(i % 2));
    const own = { data: write('mine.csv', indices), test: write('public.csv', indices) };
    const data = prepareDemoData(out, { tabs: 2, rounds: 1, own });
    const { labels } = configOf(data).task;
    expect(labels).toEqual(['0', '1']);
    const read = parseLabelledRows(new Uint8Array(readFileSync(data.tabFiles[1]!)), 'tab-2.csv', {
      labels,
      textPair: false,
    });
    expect(read.rows.map(({ label }) => label)).toEqual(Array.from({ length: 12 }, () => 1));
  });

  test.each<[string, string | Uint8Array | null, string]>([
    ['that is not there', null, 'DATA_UNREADABLE'],
    ['that is empty', '', 'DATA_EMPTY'],
    ['that is a spreadsheet', Uint8Array.of(0x50, 0x4b, 3, 4), 'DATA_BINARY'],
    ['with one column', 'text\na\nb\n', 'DATA_UNREADABLE'],
    ['with one label', csv(() => 'spam'), 'DATA_UNKNOWN_LABELS'],
    ['without a label column', 'text,size\nsome text,big\nother text,small\n', 'DATA_NO_SUCH_COLUMN'],
    ['with fewer rows than tabs', 'text,label\na,spam\nb,ham\n', 'DATA_TOO_FEW_ROWS'],
    ['with too few rows for each tab', csv().split('\n').slice(0, 24).join('\n'), 'DATA_TOO_FEW_ROWS'],
  ])('a file %s is refused', (_, content, code) => {
    const data = content === null ? join(directory, 'nowhere.csv') : write('mine.csv', content);
    const test = write('public.csv', code === 'DATA_UNKNOWN_LABELS' ? csv(() => 'spam') : csv());
    expect(failureOf(() => prepareDemoData(out, { tabs: 3, rounds: 1, own: { data, test } })).code).toBe(
      code,
    );
  });

  test('more labels than a run can have are refused', () => {
    const many = ['text,label', ...Array.from({ length: 201 }, (_, i) => `text ${i},label ${i}`)].join('\n');
    const own = { data: write('mine.csv', many), test: write('public.csv', many) };
    expect(failureOf(() => prepareDemoData(out, { tabs: 3, rounds: 1, own }))).toMatchObject({
      code: 'DATA_UNKNOWN_LABELS',
      message: expect.stringMatching(/found 201/) as string,
    });
  });

  test('a test file that cannot be used is refused before anything starts', () => {
    const few = 'text,label\na,spam\nb,ham\n';
    const own = { data: write('mine.csv', csv()), test: write('public.csv', few) };
    expect(failureOf(() => prepareDemoData(out, { tabs: 3, rounds: 1, own })).code).toBe('DATA_TOO_FEW_ROWS');
  });
});
