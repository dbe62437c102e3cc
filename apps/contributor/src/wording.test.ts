import { expect, test } from 'vitest';
import { messages } from './messages.ts';

/** The text of every file with sentences for people, of both pages. */
const sources = import.meta.glob<string>('../../{admin,contributor}/src/*essages.ts', {
  query: '?raw',
  import: 'default',
  eager: true,
});

// Words that promise more than a number does (docs/privacy.md).
const PROMISES = [
  /anonym/i,
  /100 ?%/,
  /guarantee/i,
  /\bsafe(ly|ty)?\b/i,
  /\bsecure/i,
  /\bencrypt/i,
  /\bperfect/i,
];

test('the words this test looks for are found where they stand', () => {
  const sentences = ['100 % private', 'your data is anonymous', 'guaranteed private', 'it is safe'];
  for (const sentence of sentences) expect(PROMISES.some((word) => word.test(sentence))).toBe(true);
});

test('both pages have their sentences where this test looks', () => {
  expect(Object.keys(sources).toSorted()).toEqual([
    '../../admin/src/messages.ts',
    '../../admin/src/privacyMessages.ts',
    './contributeMessages.ts',
    './messages.ts',
    './privacyMessages.ts',
  ]);
});

test.each(Object.entries(sources))('%s promises nothing that odds do not say', (_name, source) => {
  expect(source.length).toBeGreaterThan(1000);
  expect(PROMISES.map((word) => word.exec(source)?.[0]).filter((found) => found !== undefined)).toEqual([]);
});

const { odds } = messages.privacy;

test('odds name the unit, the whole run, the number and blind guessing', () => {
  // (e + 1e-5) / (1 + e) = 0.73106
  expect(odds('example', 1, 1e-5)).toBe(
    'Someone who sees everything you send over the whole run, and guesses whether one particular row was in your file, is right at most 74 times in 100; blind guessing is right 50 times.',
  );
  expect(odds('contributor', 1, 1e-5)).toContain('which of two sets of rows you used');
});

test('odds that say nothing any more are not dressed as a bound', () => {
  expect(odds('example', 60, 1e-5)).toContain('can be right practically every time');
  expect(odds('example', 60, 1e-5)).not.toContain('at most');
});

test('what was spent elsewhere adds up, also where it was without protection', () => {
  expect(messages.privacy.otherRuns('example', 2.401)).toContain('2.41');
  expect(messages.privacy.otherRuns('contributor', Infinity)).not.toContain('Infinity');
});
