import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import type { RunConfig } from '@chorale/protocol';
import { ChoraleError, parseRunConfig } from '@chorale/protocol';
import type { Table } from '@chorale/trainer';
import { MINIMUM_ROWS, parseLabelledRows, readTable, suggestColumns } from '@chorale/trainer';

/** What a demo runs on: a config file and one data file for each tab. */
export type DemoData = {
  configPath: string;
  tabFiles: string[];
  /** Updates a round needs at least. */
  minimumUpdates: number;
  description: string;
};

const REPOSITORY = new URL('../../../../', import.meta.url);
const DEMO_CONFIG = new URL('assets/runs/demo.json', REPOSITORY);
const SAMPLES = [1, 2, 3].map((n) => new URL(`assets/samples/contributor-${n}.csv`, REPOSITORY));
const SAMPLE_TEST = new URL('assets/samples/test.csv', REPOSITORY);

/**
 * Prepares a demo's files in `directory`. Without own files the samples are used, one file a tab where there are three
 * tabs; own rows (or samples for another number of tabs) are dealt out in turn, as files a person would pick.
 * @throws {ChoraleError} CONFIG_INVALID or a DATA_ code
 */
export function prepareDemoData(
  directory: string,
  {
    tabs,
    rounds,
    own,
    deadlineSeconds,
  }: {
    tabs: number;
    rounds: number;
    own: { data: string; test: string } | null;
    /** Default: the demo config's. */
    deadlineSeconds?: number;
  },
): DemoData {
  mkdirSync(directory, { recursive: true });
  const template = JSON.parse(readFileSync(DEMO_CONFIG, 'utf8')) as RunConfig;
  const testFile = own
    ? readFile(own.test)
    : { name: 'test.csv', bytes: new Uint8Array(readFileSync(SAMPLE_TEST)) };
  const sources = own
    ? [readFile(own.data)]
    : SAMPLES.map((url) => ({ name: basename(url.pathname), bytes: new Uint8Array(readFileSync(url)) }));
  const labels = labelsOf([...sources, testFile], template.task.labels);
  const tables = sources.map(({ name, bytes }) => textAndLabel(readTable(bytes, name, labels), labels));
  const dealt = tables.length === tabs ? tables : deal(tables.flat(), tabs);
  const smallest = Math.min(...dealt.map((rows) => rows.length));
  const { expectedBatchSize } = template.training;
  // Not under its own name, which could be that of a file written here
  const testName = `public-test${extname(testFile.name)}`;
  const minimumUpdates = Math.max(1, tabs - 1);
  const config = {
    ...template,
    name: own ? basename(own.data, extname(own.data)) : template.name,
    purpose: own
      ? `Classify the texts of ${basename(own.data)}: ${labels.slice(0, 8).join(', ')}.`
      : template.purpose,
    task: { ...template.task, labels },
    training: {
      ...template.training,
      samplingRate: Number(Math.min(1, expectedBatchSize / smallest).toFixed(4)),
    },
    rounds: {
      ...template.rounds,
      count: rounds,
      cohortSize: tabs,
      minimumUpdates,
      ...(deadlineSeconds === undefined ? {} : { deadlineSeconds }),
    },
    evaluation: { file: testName },
  };
  parseRunConfig(config, 'the demo config');
  parseLabelledRows(testFile.bytes, testFile.name, { labels, textPair: false });
  writeFileSync(join(directory, testName), testFile.bytes);
  const configPath = join(directory, 'run.json');
  writeFileSync(configPath, `${JSON.stringify(config, null, 2)}\n`);
  const tabFiles = dealt.map((rows, i) => {
    const path = join(directory, `tab-${i + 1}.csv`);
    writeFileSync(path, toCsv(rows));
    return path;
  });
  const description = own
    ? `${basename(own.data)} dealt out to ${tabs} tabs, tested on ${testFile.name}`
    : 'synthetic sample notes (assets/samples), another label mix in each tab';
  return { configPath, tabFiles, minimumUpdates, description };
}

type NamedBytes = { name: string; bytes: Uint8Array };
type Row = [text: string, label: string];

function readFile(path: string): NamedBytes {
  try {
    return { name: basename(path), bytes: new Uint8Array(readFileSync(path)) };
  } catch (cause) {
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${path} cannot be read. Name an existing CSV, TSV or JSONL file.`,
      { cause },
    );
  }
}

/** The demo's own labels where a file uses them, else the distinct values of its label column, sorted. */
function labelsOf(files: NamedBytes[], preferred: readonly string[]): string[] {
  // Folded as the trainer compares labels: "Spam" and "spam" are one
  const found = new Map<string, string>();
  for (const { name, bytes } of files) {
    for (const [, label] of textAndLabel(readTable(bytes, name, preferred), preferred)) {
      const folded = label.toLowerCase();
      if (!found.has(folded)) found.set(folded, label);
    }
  }
  if ([...found.keys()].every((label) => preferred.includes(label))) return [...preferred];
  if (found.size < 2 || found.size > 200) {
    throw new ChoraleError('DATA_UNKNOWN_LABELS', `Expected 2 to 200 different labels, found ${found.size}.`);
  }
  return [...found.values()].toSorted();
}

function textAndLabel(table: Table, labels: readonly string[]): Row[] {
  const { text, label } = suggestColumns(table, { labels, textPair: false });
  if (text === null || label === null) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `${table.name} has the columns ${table.columns.join(', ')}. Name them "text" and "label" in the header.`,
    );
  }
  const [textAt, labelAt] = [table.columns.indexOf(text), table.columns.indexOf(label)];
  return table.rows
    .map((row): Row => [row[textAt]!.trim(), row[labelAt]!.trim()])
    .filter(([rowText, rowLabel]) => rowText !== '' && rowLabel !== '');
}

function deal(rows: Row[], tabs: number): Row[][] {
  if (rows.length < tabs * MINIMUM_ROWS) {
    throw new ChoraleError(
      'DATA_TOO_FEW_ROWS',
      `${rows.length} rows are too few for ${tabs} tabs: each needs at least ${MINIMUM_ROWS}. Add rows, or use fewer tabs.`,
    );
  }
  return Array.from({ length: tabs }, (_, tab) => rows.filter((_row, i) => i % tabs === tab));
}

function toCsv(rows: Row[]): string {
  const quoted = (cell: string) => `"${cell.replaceAll('"', '""')}"`;
  return ['text,label', ...rows.map((row) => row.map(quoted).join(','))].join('\n') + '\n';
}
