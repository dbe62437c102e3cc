/**
 * The words of the sample files. Every opinion word and every noun is either `shared` (training files and test file)
 * or `testOnly`: it never occurs in a training file, so only its meaning, not its count, can tell the label.
 */
export type Polarity = 'positive' | 'negative';

export type Split = { shared: readonly string[]; testOnly: readonly string[] };

export type Opinions = Record<Polarity, Split>;

/** What a noun is, and so which adjectives fit it. */
export type Kind = 'person' | 'place' | 'story' | 'food' | 'object' | 'event';

function split(shared: string, testOnly: string): Split {
  return { shared: shared.split(' '), testOnly: testOnly.split(' ') };
}

/** Fit every noun but a person. */
const GENERAL: Opinions = {
  positive: split(
    'good great lovely wonderful delightful excellent pleasant',
    'splendid charming magnificent perfect marvellous glorious',
  ),
  negative: split(
    'bad poor terrible awful unpleasant miserable dreadful',
    'horrible wretched disagreeable frightful horrid hideous',
  ),
};

/** Fit nouns of one kind. */
const SPECIAL: Record<Kind, Opinions> = {
  person: {
    positive: split(
      'kind friendly polite helpful patient pleasant honest',
      'gracious generous thoughtful gentle civil agreeable charming',
    ),
    negative: split(
      'rude careless impatient angry harsh unpleasant selfish',
      'cruel sullen cross indifferent ignorant disagreeable',
    ),
  },
  place: {
    positive: split('clean comfortable quiet bright warm', 'peaceful sunny neat safe calm'),
    negative: split('dirty cold dark damp crowded', 'gloomy dusty foul bare melancholy'),
  },
  story: {
    positive: split('interesting amusing clever moving lively funny', 'touching vivid graceful powerful'),
    negative: split('dull silly stupid weak absurd foolish', 'ridiculous sentimental confused empty'),
  },
  food: {
    positive: split('fresh delicious hot', 'sweet tender rich'),
    negative: split('cold sour burnt', 'bitter raw dry'),
  },
  object: {
    positive: split('strong useful solid', 'handsome firm sound'),
    negative: split('weak broken useless', 'torn loose worn'),
  },
  event: {
    positive: split('quick easy careful', 'smooth prompt swift'),
    negative: split('slow late careless', 'rough confused wrong'),
  },
};

/** How somebody feels afterwards: "we went home ...". */
export const FEELINGS: Opinions = {
  positive: split('happy pleased glad satisfied', 'delighted grateful content thankful'),
  negative: split('angry disappointed sorry unhappy', 'annoyed bored furious weary'),
};

/** "The journey was a ...". */
export const OPINION_NOUNS: Opinions = {
  positive: split('pleasure joy success', 'delight treat triumph comfort'),
  negative: split('disappointment failure waste', 'misery torture mistake shame'),
};

/** "We ... the journey from the first minute". */
export const OPINION_VERBS: Opinions = {
  positive: split('enjoyed liked', 'loved admired'),
  negative: split('hated', 'cursed'),
};

export function adjectivesOf(kind: Kind): readonly Opinions[] {
  return kind === 'person' ? [SPECIAL.person] : [GENERAL, SPECIAL[kind]];
}

export function allOpinions(): Opinions[] {
  return [GENERAL, ...Object.values(SPECIAL), FEELINGS, OPINION_NOUNS, OPINION_VERBS];
}

export type Topic = { nouns: readonly Noun[]; settings: readonly string[] };
export type Noun = { word: string; kind: Kind; testOnly: boolean };

function nouns(words: Partial<Record<Kind, string>>): Noun[] {
  return Object.entries(words).flatMap(([kind, list]) =>
    list.split(' ').map((word) => ({
      word: word.replace('*', ''),
      kind: kind as Kind,
      testOnly: word.endsWith('*'),
    })),
  );
}

/** What people tell about; a `*` marks a noun that only the test file has. */
export const TOPICS: readonly Topic[] = [
  {
    nouns: nouns({
      person: 'porter host*',
      place: 'room bath hall*',
      food: 'breakfast',
      object: 'bed chair*',
    }),
    settings: ['at the hotel', 'at the old inn', 'at the hotel by the sea'],
  },
  {
    nouns: nouns({
      person: 'waiter cook*',
      place: 'restaurant',
      food: 'dinner coffee lunch cake supper* fish* wine* pie*',
    }),
    settings: ['in the village', 'on the corner', 'near the market'],
  },
  {
    nouns: nouns({
      person: 'clerk owner*',
      place: 'shop store*',
      object: 'coat lamp table jacket* watch* carpet*',
    }),
    settings: ['in the main street', 'next to the bank', 'in the city'],
  },
  {
    nouns: nouns({
      person: 'driver guard* captain*',
      place: 'carriage station cabin*',
      event: 'journey voyage*',
      object: 'seat',
    }),
    settings: ['on the way north', 'on the way home', 'on the way to the coast'],
  },
  {
    nouns: nouns({ story: 'book novel story tale* chapter*' }),
    settings: ['by that young writer', 'from the library', 'about the war'],
  },
  {
    nouns: nouns({ story: 'film play concert song performance* movie* scene*', place: 'theatre' }),
    settings: ['in the square', 'at the end of the week', 'in our little town'],
  },
  {
    nouns: nouns({ person: 'teacher professor*', story: 'lesson class course* speech*', place: 'school' }),
    settings: ['on the first day', 'for children', 'after the summer'],
  },
  {
    nouns: nouns({ person: 'smith', object: 'clock engine* stove* roof*', event: 'job service*' }),
    settings: ['after the fire', 'from the garage', 'this winter'],
  },
  {
    nouns: nouns({ person: 'doctor nurse* dentist*', place: 'hospital*', event: 'visit appointment*' }),
    settings: ['in the next town', 'across the river', 'in the new building'],
  },
  {
    nouns: nouns({ person: 'guide', place: 'garden park* beach*', story: 'tour', event: 'walk trip*' }),
    settings: ['on the island', 'behind the castle', 'in the hills'],
  },
];
