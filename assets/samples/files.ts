import type { Topic } from './lexicon.ts';
import { createChoices } from './random.ts';
import { writeSentence } from './sentences.ts';

export type Row = { text: string; label: Topic };

export type SampleFile = { name: string; rows: readonly Row[] };

type FilePlan = { name: string; health: number; money: number; testOnlyShare: number };

const SEED = 1926;
const WORDS = { min: 8, max: 20 };
/** In the test file: the probability of each topic word to be one that training never has. */
const TEST_ONLY_SHARE = 0.7;

/** Label mixes differ from tab to tab, as they do between people. The test file comes last: it only gets what is left. */
const PLANS: readonly FilePlan[] = [
  { name: 'contributor-1.csv', health: 840, money: 360, testOnlyShare: 0 },
  { name: 'contributor-2.csv', health: 360, money: 840, testOnlyShare: 0 },
  { name: 'contributor-3.csv', health: 600, money: 600, testOnlyShare: 0 },
  { name: 'sample-small.csv', health: 20, money: 20, testOnlyShare: 0 },
  { name: 'test.csv', health: 150, money: 150, testOnlyShare: TEST_ONLY_SHARE },
];

/** All sample files, the same ones on every call; no note occurs twice in them. */
export function createSampleFiles(): SampleFile[] {
  const choices = createChoices(SEED);
  const seen = new Set<string>();
  const fresh = (label: Topic, testOnlyShare: number): string => {
    for (;;) {
      const text = writeSentence(choices, { label, testOnlyShare });
      const words = text.split(' ').length;
      if (words < WORDS.min || words > WORDS.max || seen.has(text)) continue;
      seen.add(text);
      return text;
    }
  };
  return PLANS.map(({ name, health, money, testOnlyShare }) => {
    const labels: Topic[] = [
      ...Array.from({ length: health }, () => 'health' as const),
      ...Array.from({ length: money }, () => 'money' as const),
    ];
    const rows = choices.shuffle(labels).map((label) => ({ text: fresh(label, testOnlyShare), label }));
    return { name, rows };
  });
}

export function toCsv(rows: readonly Row[]): string {
  const quoted = ({ text }: Row): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return ['text,label', ...rows.map((row) => `${quoted(row)},${row.label}`), ''].join('\n');
}
