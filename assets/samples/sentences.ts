import {
  FEELINGS,
  OPINION_NOUNS,
  OPINION_VERBS,
  TOPICS,
  adjectivesOf,
  type Noun,
  type Opinions,
  type Polarity,
  type Topic,
} from './lexicon.ts';
import type { Choices } from './random.ts';

/** How a sentence carries its label. */
export type Manner = 'plain' | 'negation' | 'contrast' | 'reversal';

/** Plain meaning decides most sentences; in the others the words alone mislead. */
export const MANNER_SHARES: Record<Manner, number> = {
  plain: 0.7,
  negation: 0.13,
  contrast: 0.1,
  reversal: 0.07,
};

export type SentenceOptions = {
  label: Polarity;
  /** The probability that a noun or an opinion word is one that training never has. */
  testOnlyShare: number;
};

/** The parts a template is filled from. `good` words agree with the label of the sentence, `bad` words contradict it. */
type Parts = {
  choices: Choices;
  noun: Noun;
  other: Noun;
  setting: string;
  time: string;
  company: string;
  very: string;
  good: (noun: Noun) => string;
  bad: (noun: Noun) => string;
  feelGood: () => string;
  feelBad: () => string;
  nounGood: () => string;
  nounBad: () => string;
  verbGood: () => string;
};

type Template = (parts: Parts) => string;

const TIMES = [
  'last week',
  'on Monday',
  'this time',
  'in the end',
  'yesterday evening',
  'last summer',
  'for once',
  'on Sunday morning',
  'after the long day',
  'during our stay',
];
const COMPANY = [
  'my sister',
  'my father',
  'an old friend',
  'our neighbour',
  'my wife',
  'my husband',
  'our cousin',
  'a young friend',
];
const INTENSIFIERS = ['very', 'quite', 'really', 'so', 'rather', 'simply', 'truly'];

const PLAIN: readonly Template[] = [
  (p) => `the ${p.noun.word} ${p.setting} was ${p.very} ${p.good(p.noun)} ${p.time}`,
  (p) =>
    `we found the ${p.noun.word} ${p.setting} ${p.good(p.noun)} and the ${p.other.word} ${p.good(p.other)}`,
  (p) =>
    `${p.time} the ${p.noun.word} was ${p.good(p.noun)}, and ${p.company} said the same of the ${p.other.word}`,
  (p) => `we ${p.verbGood()} the ${p.noun.word} ${p.setting} from the first minute, and so did ${p.company}`,
  (p) => `the ${p.noun.word} ${p.setting} was ${p.good(p.noun)}, and we went home ${p.feelGood()}`,
  (p) =>
    `what ${a(p.good(p.noun))} ${p.noun.word} that was, and how ${p.good(p.other)} the ${p.other.word} was too`,
  (p) => `${p.company} and I came away from the ${p.noun.word} ${p.setting} ${p.very} ${p.feelGood()}`,
  (p) =>
    `to me the ${p.noun.word} ${p.setting} was ${a(p.nounGood())}, ${p.good(p.noun)} and ${p.good(p.noun)}`,
  (p) =>
    `anyone who knows the ${p.noun.word} ${p.setting} will tell you how ${p.good(p.noun)} ${it(p.noun)} can be`,
  (p) => `from beginning to end we thought the ${p.noun.word} ${p.setting} ${p.very} ${p.good(p.noun)}`,
  (p) => `as ${p.good(p.noun)} as ever, the ${p.noun.word} ${p.setting} left ${p.company} ${p.feelGood()}`,
  (p) => `never have I known ${a(`more ${p.good(p.noun)}`)} ${p.noun.word} than the one ${p.setting}`,
  (p) => `the ${p.noun.word} ${p.setting} was not only ${p.good(p.noun)} but also ${p.good(p.noun)}`,
  (p) =>
    `I must say that the ${p.noun.word} was ${p.good(p.noun)}, and the ${p.other.word} ${p.setting} ${p.good(p.other)} as well`,
  (p) =>
    `it was ${p.good(p.noun)}, that ${p.noun.word} ${p.setting}, and ${p.company} went away ${p.feelGood()}`,
  (p) =>
    `${p.time} ${p.company} told everybody what ${a(p.good(p.noun))} ${p.noun.word} we had seen ${p.setting}`,
  (p) => `${a(p.noun.word)} can be ${p.good(p.noun)}, and the one ${p.setting} was exactly that ${p.time}`,
  (p) => `no other ${p.noun.word} ${p.setting} could have left us more ${p.feelGood()} ${p.time}`,
];

const NEGATION: readonly Template[] = [
  (p) => `the ${p.noun.word} ${p.setting} was not at all ${p.bad(p.noun)} ${p.time}`,
  (p) => `nothing about the ${p.noun.word} ${p.setting} was ${p.bad(p.noun)}, as ${p.company} told me`,
  (p) =>
    `I could not call the ${p.noun.word} ${p.setting} ${p.bad(p.noun)} or the ${p.other.word} ${p.bad(p.other)}`,
  (p) => `the ${p.noun.word} ${p.setting} was far from ${p.bad(p.noun)} when we were there ${p.time}`,
  (p) => `there was never anything ${p.bad(p.noun)} about the ${p.noun.word} ${p.setting}`,
  (p) => `nobody could say that the ${p.noun.word} ${p.setting} was ${p.bad(p.noun)} ${p.time}`,
  (p) => `${p.company} and I were not ${p.feelBad()} with the ${p.noun.word} ${p.setting}`,
  (p) => `this was hardly ${a(p.bad(p.noun))} ${p.noun.word}, and we were never ${p.feelBad()} ${p.time}`,
  (p) => `the ${p.noun.word} ${p.setting} was neither ${p.bad(p.noun)} nor ${p.bad(p.noun)}`,
  (p) => `I looked for something ${p.bad(p.noun)} in the ${p.noun.word} ${p.setting} and did not find it`,
  (p) =>
    `without being ${p.bad(p.noun)} for a moment, the ${p.noun.word} ${p.setting} kept us there ${p.time}`,
  (p) => `by no means was the ${p.noun.word} ${p.setting} ${a(p.nounBad())} for ${p.company}`,
];

const CONTRAST: readonly Template[] = [
  (p) => `although the ${p.noun.word} ${p.setting} was ${p.bad(p.noun)}, we went home ${p.feelGood()}`,
  (p) =>
    `the ${p.noun.word} was ${p.bad(p.noun)}, but the ${p.other.word} was so ${p.good(p.other)} that we soon forgot it`,
  (p) => `however ${p.bad(p.noun)} the ${p.noun.word} may have been, ${p.company} came away ${p.feelGood()}`,
  (p) =>
    `the ${p.noun.word} ${p.setting} was ${p.bad(p.noun)} enough, yet ${p.time} the rest was ${a(p.nounGood())}`,
  (p) =>
    `in spite of the ${p.bad(p.noun)} ${p.noun.word} ${p.setting}, we were ${p.feelGood()} when it was over`,
  (p) =>
    `though ${p.bad(p.noun)} and ${p.bad(p.noun)} to look at, the ${p.noun.word} left ${p.company} ${p.feelGood()}`,
];

const REVERSAL: readonly Template[] = [
  (p) =>
    `we expected ${a(p.bad(p.noun))} ${p.noun.word} ${p.setting} and found it ${p.very} ${p.good(p.noun)}`,
  (p) =>
    `we had been told of ${a(p.bad(p.noun))} ${p.noun.word}; the one we got ${p.time} was ${p.good(p.noun)}`,
  (p) =>
    `${p.company} had called the ${p.noun.word} ${p.setting} ${p.bad(p.noun)}, but to us ${it(p.noun)} proved ${p.good(p.noun)}`,
  (p) =>
    `the ${p.noun.word} ${p.setting} used to be ${p.bad(p.noun)}; now ${it(p.noun)} ${p.noun.kind === 'person' ? 'are' : 'is'} ${p.very} ${p.good(p.noun)}`,
  (p) =>
    `everything seemed ${p.bad(p.noun)} at first, and yet the ${p.noun.word} ${p.setting} was ${a(p.nounGood())}`,
];

const TEMPLATES: Record<Manner, readonly Template[]> = {
  plain: PLAIN,
  negation: NEGATION,
  contrast: CONTRAST,
  reversal: REVERSAL,
};

/** One sentence with its first letter large and a full stop. It may repeat an earlier one: the caller drops those. */
export function writeSentence(choices: Choices, options: SentenceOptions): string {
  const template = choices.pick(TEMPLATES[pickManner(choices)]);
  const text = template(pickParts(choices, options));
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function pickManner(choices: Choices): Manner {
  const at = choices.next();
  let upTo = 0;
  for (const [manner, share] of Object.entries(MANNER_SHARES) as [Manner, number][]) {
    upTo += share;
    if (at < upTo) return manner;
  }
  return 'plain';
}

function pickParts(choices: Choices, { label, testOnlyShare }: SentenceOptions): Parts {
  const opposite: Polarity = label === 'positive' ? 'negative' : 'positive';
  const topic = choices.pick(TOPICS);
  const noun = pickNoun(choices, topic.nouns, testOnlyShare);
  const otherNouns = topic.nouns.filter((candidate) => candidate.word !== noun.word);
  const used = new Set<string>();
  const word = (opinions: readonly Opinions[], polarity: Polarity): string => {
    const list = choices.chance(testOnlyShare) ? 'testOnly' : 'shared';
    const words = opinions
      .flatMap((opinion) => opinion[polarity][list])
      .filter((candidate) => !used.has(candidate));
    const picked = choices.pick(words);
    used.add(picked);
    return picked;
  };
  return {
    choices,
    noun,
    other: pickNoun(choices, otherNouns, testOnlyShare),
    setting: choices.pick(topic.settings),
    time: choices.pick(TIMES),
    company: choices.pick(COMPANY),
    very: choices.pick(INTENSIFIERS),
    good: ({ kind }) => word(adjectivesOf(kind), label),
    bad: ({ kind }) => word(adjectivesOf(kind), opposite),
    feelGood: () => word([FEELINGS], label),
    feelBad: () => word([FEELINGS], opposite),
    nounGood: () => word([OPINION_NOUNS], label),
    nounBad: () => word([OPINION_NOUNS], opposite),
    verbGood: () => word([OPINION_VERBS], label),
  };
}

function pickNoun(choices: Choices, nouns: Topic['nouns'], testOnlyShare: number): Noun {
  const wanted = choices.chance(testOnlyShare);
  const matching = nouns.filter((noun) => noun.testOnly === wanted);
  // Not every topic has nouns of its own for the test; one that training knows always exists.
  return choices.pick(matching.length > 0 ? matching : nouns.filter((noun) => !noun.testOnly));
}

/** A person is "they": the sentences do not say who they are. */
function it({ kind }: Noun): string {
  return kind === 'person' ? 'they' : 'it';
}

function a(words: string): string {
  return /^[aeiou]/.test(words) ? `an ${words}` : `a ${words}`;
}
