import type { Polarity } from './lexicon.ts';
import { createChoices } from './random.ts';
import { writeSentence } from './sentences.ts';

export type Row = { text: string; label: Polarity };

export type SampleFile = { name: string; rows: readonly Row[] };

type FilePlan = { name: string; positive: number; negative: number; testOnlyShare: number };

const SEED = 1926;
const WORDS = { min: 8, max: 22 };
/** In the test file: the probability of each noun and each opinion word to be one that training never has. */
const TEST_ONLY_SHARE = 0.45;

/** Label mixes differ from tab to tab, as they do between people. The test file comes last: it only gets what is left. */
const PLANS: readonly FilePlan[] = [
  { name: 'contributor-1.csv', positive: 448, negative: 192, testOnlyShare: 0 },
  { name: 'contributor-2.csv', positive: 192, negative: 448, testOnlyShare: 0 },
  { name: 'contributor-3.csv', positive: 320, negative: 320, testOnlyShare: 0 },
  { name: 'sample-small.csv', positive: 20, negative: 20, testOnlyShare: 0 },
  { name: 'test.csv', positive: 150, negative: 150, testOnlyShare: TEST_ONLY_SHARE },
];

/** All sample files, the same ones on every call; no sentence occurs twice in them. */
export function createSampleFiles(): SampleFile[] {
  const choices = createChoices(SEED);
  const seen = new Set<string>();
  const fresh = (label: Polarity, testOnlyShare: number): string => {
    for (;;) {
      const text = writeSentence(choices, { label, testOnlyShare });
      const words = text.split(' ').length;
      if (words < WORDS.min || words > WORDS.max || seen.has(text)) continue;
      seen.add(text);
      return text;
    }
  };
  return PLANS.map(({ name, positive, negative, testOnlyShare }) => {
    const labels: Polarity[] = [
      ...Array.from({ length: positive }, () => 'positive' as const),
      ...Array.from({ length: negative }, () => 'negative' as const),
    ];
    const rows = choices.shuffle(labels).map((label) => ({ text: fresh(label, testOnlyShare), label }));
    return { name, rows };
  });
}

export function toCsv(rows: readonly Row[]): string {
  const quoted = ({ text }: Row): string => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return ['text,label', ...rows.map((row) => `${quoted(row)},${row.label}`), ''].join('\n');
}
