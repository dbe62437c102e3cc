import { beforeEach, expect, test } from 'vitest';
import { openHost } from './testing/openHost.ts';
import type { TrainerHost } from './trainerHost.ts';

let host: TrainerHost;
beforeEach(async () => {
  ({ host } = await openHost({
    config: {
      task: { type: 'sequence-classification', labels: ['no', 'yes'], maxTokens: 16, textPair: true },
      // Takes up to 1,280 rows
      training: {
        localSteps: 1,
        learningRate: 0.5,
        samplingRate: 0.1,
        expectedBatchSize: 32,
        clippingNorm: 1,
      },
    },
  }));
  await host.checkDevice('cpu', () => undefined);
});

const COLUMNS = { text: 'premise', textPair: 'hypothesis', label: 'label' };
const csv = (rows: readonly string[]) => new Blob([['premise,hypothesis,label', ...rows].join('\n')]);
const manyRows = (count: number) =>
  Array.from({ length: count }, (_, i) => `a story ${i},good,${i % 2 ? 'yes' : 'no'}`);

test('pairs: suggested, selected, cut by both texts together, and shown as progress', async () => {
  const long = 'the story of the actor was warm and good,and the film was not,yes'; // 8 and 5 words, 3 special tokens
  const table = await host.openTable(csv([...manyRows(600), 'alone,,no', long, long]), 'pairs.csv');
  expect(table).toMatchObject({
    suggestedText: 'premise',
    suggestedTextPair: 'hypothesis',
    suggestedLabel: 'label',
  });
  const shown: [string, number | null][] = [];
  const report = await host.chooseColumns(COLUMNS, (what, fraction) => shown.push([what, fraction]));
  expect(report).toMatchObject({
    used: 602,
    skipped: [{ reason: 'no second text', count: 1, firstRows: [601] }],
    labelCounts: [
      { label: 'no', count: 300 },
      { label: 'yes', count: 302 },
    ],
    cut: 2,
  });
  const fractions = shown
    .filter(([what]) => what === 'Turning texts into tokens')
    .map(([, fraction]) => fraction);
  expect(fractions).toEqual([0, 250 / 602, 500 / 602]);
});

test('rows that are removed while they are turned into tokens are not used', async () => {
  await host.openTable(csv(manyRows(600)), 'pairs.csv');
  await host.chooseColumns(COLUMNS, () => undefined);
  const choosing = host.chooseColumns(COLUMNS, (what, fraction) => {
    if (what === 'Turning texts into tokens' && fraction! > 0) host.closeTable();
  });
  await expect(choosing).rejects.toMatchObject({ name: 'AbortError' });
  const task = { adapter: new Uint8Array(), round: 1, planHash: '' };
  await expect(host.trainRound(task, () => undefined)).rejects.toMatchObject({ code: 'DATA_EMPTY' });
});

test('of two choices the later one counts, and of two files the one opened last', async () => {
  await host.openTable(csv(manyRows(600)), 'pairs.csv');
  const turned = { ...COLUMNS, text: 'hypothesis', textPair: 'premise' };
  const choices = await Promise.allSettled([
    host.chooseColumns(COLUMNS, () => undefined),
    host.chooseColumns(turned, () => undefined),
  ]);
  expect(choices.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  const tables = await Promise.allSettled([
    host.openTable(csv(manyRows(600)), 'first.csv'),
    host.openTable(csv(manyRows(9)), 'second.csv'),
  ]);
  expect(tables.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
  expect((await host.chooseColumns(COLUMNS, () => undefined)).used).toBe(9);
});

test('no row is used beyond those that the run takes of a file', async () => {
  // 4 times 2 expected rows at a rate of 0.1
  const training = {
    localSteps: 1,
    learningRate: 0.5,
    samplingRate: 0.1,
    expectedBatchSize: 2,
    clippingNorm: 1,
  };
  const { host } = await openHost({ config: { training } });
  await host.checkDevice('cpu', () => undefined);
  const rows = Array.from({ length: 100 }, (_, i) => `film ${i},${i < 79 ? 'yes' : 'no'}`);
  await host.openTable(new Blob([['text,label', ',no', ...rows].join('\n')]), 'mine.csv');
  const columns = { text: 'text', textPair: null, label: 'label' };
  expect(await host.chooseColumns(columns, () => undefined)).toEqual({
    used: 79,
    skipped: [
      { reason: 'no text', count: 1, firstRows: [1] },
      {
        reason: 'this run takes the first 80 rows of a file only',
        count: 21,
        firstRows: [81, 82, 83, 84, 85],
      },
    ],
    labelCounts: [
      { label: 'no', count: 0 },
      { label: 'yes', count: 79 },
    ],
    cut: 0,
  });
});
