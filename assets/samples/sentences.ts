import { LEXICONS, type Slot, type Split, type Topic, type TopicWord } from './lexicon.ts';
import type { Choices } from './random.ts';

/** How a note carries its topic. */
export type Manner = 'plain' | 'rare' | 'mixed';

/**
 * plain: two or three words of the topic.
 * rare: a single word of the topic.
 * mixed: two words of the topic, and one of the other topic that does not decide.
 */
export const MANNER_SHARES: Record<Manner, number> = { plain: 0.6, rare: 0.15, mixed: 0.25 };

export type SentenceOptions = {
  label: Topic;
  /** The probability that a topic word is one that training never has. */
  testOnlyShare: number;
};

/** The parts a template is filled from; a topic word is drawn when its function is called, and never twice. */
type Parts = {
  who: string;
  time: string;
  place: string;
  day: string;
  /** "the fever", "my throat", "my bones", "the doctor": fits wherever singular and plural look alike. */
  about: () => string;
  /** Of the topic that does not decide. */
  distraction: () => string;
  matter: () => string;
  own: () => string;
  helper: () => string;
  state: () => string;
  act: () => string;
};

/** Some notes begin with one of these. */
const OPENERS = [
  'by the way',
  'as you know',
  'well',
  'to be honest',
  'between you and me',
  'dear friend',
  'in short',
  'just a word',
  'please keep this to yourself',
  'one more thing',
];
const OPENER_SHARE = 0.3;

type Template = (parts: Parts) => string;

const PEOPLE = [
  'my sister',
  'my brother',
  'my aunt',
  'my uncle',
  'my cousin',
  'my mother',
  'my father',
  'my wife',
  'my husband',
  'our neighbour',
  'an old friend',
  'a friend of mine',
  'the teacher',
  'everybody here',
  'the captain',
  'the old man in the garden',
  'your mother',
  'your brother',
  'my little girl',
  'the woman from the shop',
  'our guest',
  'George',
  'Mary',
  'a young lady',
  'our old cook',
  'the young man upstairs',
];
const TIMES = [
  'this morning',
  'last night',
  'last week',
  'yesterday',
  'on Monday',
  'on Friday',
  'after dinner',
  'before breakfast',
  'the other day',
  'late in the evening',
  'on the way home',
  'two days ago',
  'last summer',
  'this week',
  'at lunch',
  'on the train',
  'after the concert',
  'before the journey',
  'all through the winter',
];
const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const PLACES = [
  'at home',
  'in the village',
  'in town',
  'in the country',
  'at the school',
  'in the kitchen',
  'in the north',
  'by the sea',
  'in the hotel',
];

const PLAIN: readonly Template[] = [
  (p) => `${p.who} asked me about ${p.about()} and ${p.about()} ${p.time}`,
  (p) => `I lay awake half the night and thought of ${p.about()} and ${p.about()}`,
  (p) => `you wanted to hear about ${p.about()}, and I can tell you that ${p.about()} worried me too`,
  (p) => `please remind me of ${p.about()} before we talk about ${p.about()} with ${p.who}`,
  (p) => `we spoke of nothing but ${p.about()} and ${p.about()} ${p.time}`,
  (p) => `${p.time} it was ${p.about()} again, and after that ${p.about()}`,
  (p) => `all that ${p.who} wrote about was ${p.about()} and ${p.about()}`,
  (p) => `do you remember how ${p.about()} kept us ${p.place}, and then ${p.about()}`,
  (p) => `first came the trouble with ${p.about()} and then with ${p.about()}, so I stayed ${p.place}`,
  (p) => `${p.time} I told ${p.who} the truth about ${p.about()} and about ${p.about()}`,
  (p) => `half of the letter to ${p.who} was about ${p.about()}, the rest about ${p.about()}`,
  (p) => `if it were not for ${p.about()} and ${p.about()}, I would come and see you on ${p.day}`,
  (p) => `what with ${p.about()} and ${p.about()}, I have hardly seen ${p.who} since ${p.day}`,
  (p) => `between ${p.about()} and ${p.about()} I found no time to write to ${p.who}`,
  (p) => `I hardly heard ${p.who} ${p.time}, for I was thinking of ${p.about()} and ${p.about()}`,
  (p) => `let us talk about ${p.about()} now, and about ${p.about()} when ${p.who} comes`,
  (p) => `your note about ${p.about()} came ${p.time}, and I thought at once of ${p.about()}`,
  (p) => `I told ${p.helper()} everything about ${p.about()} ${p.time}`,
  (p) => `${p.time} I had to go to ${p.helper()} because of ${p.about()} and ${p.about()}`,
  (p) => `ask ${p.helper()} about ${p.about()} before you go away on ${p.day}`,
  (p) => `${p.who} went with me to ${p.helper()} ${p.time}, but ${p.about()} did not get better`,
  (p) => `${p.who} says that ${p.helper()} knows more about ${p.about()} than I do`,
  (p) => `since ${p.day} ${p.who} has been ${p.state()}, and ${p.matter()} is the reason`,
  (p) => `${p.who} was never so ${p.state()} before ${p.matter()}, and now nothing will help`,
  (p) => `I will not say that I am ${p.state()}, but ${p.about()} troubled me ${p.time}`,
  (p) => `you do not look ${p.state()} to me, so why do you talk of ${p.about()}`,
  (p) => `${p.who} had to ${p.act()} again ${p.time}, and we both know that ${p.matter()} was the reason`,
  (p) => `nobody likes to ${p.act()}, but with ${p.about()} there is no other way`,
  (p) => `I have seen ${p.who} ${p.act()} more than once, so do not ask me about ${p.about()}`,
  (p) => `I did not want to ${p.act()} ${p.time}, but then ${p.about()} came to my mind`,
  (p) => `${p.who} made a joke about ${p.own()}, and I made one about ${p.matter()}`,
  (p) => `it is ${p.matter()} that keeps me ${p.place}, and ${p.own()} is no better`,
  (p) => `${p.own()} is not what it was, and ${p.matter()} has been too much for me`,
  (p) => `I am sorry about ${p.day}, but ${p.matter()} came first, and then ${p.about()}`,
  (p) => `you will laugh, but ${p.about()} and ${p.about()} followed me even into my dreams`,
  (p) => `a long talk with ${p.who} ${p.time}, mostly about ${p.about()} and a little about ${p.about()}`,
  (p) => `I promised ${p.who} not to think of ${p.about()}, and now I think of ${p.about()}`,
  (p) => `nobody ${p.place} would believe me about ${p.about()}, so I kept quiet about ${p.about()}`,
  (p) => `thank you for the kind words about ${p.about()}, I hope that ${p.about()} will not trouble you`,
  (p) => `you were quite right about ${p.about()}, and I should have told ${p.helper()} on ${p.day}`,
  (p) => `must I really wait until ${p.day} before ${p.helper()} will hear about ${p.about()}`,
  (p) => `${p.helper()} wanted to know everything about ${p.own()} and then about ${p.about()}`,
];

const RARE: readonly Template[] = [
  (p) => `I had only one thing to tell you ${p.time}, and that was ${p.matter()}`,
  (p) => `${p.who} came to us ${p.time} and asked about ${p.about()}`,
  (p) => `I did not come with you ${p.time} because of ${p.about()}`,
  (p) => `do not tell ${p.who} about ${p.about()} until I write again`,
  (p) => `of course I remember ${p.about()}, and so does ${p.who}`,
  (p) => `there was a question about ${p.about()} ${p.time}, and I could not answer`,
  (p) => `I am afraid that ${p.who} will soon be quite ${p.state()}`,
];

const MIXED: readonly Template[] = [
  (p) => `never mind ${p.distraction()}, it was ${p.about()} and ${p.about()} I came about`,
  (p) => `I had ${p.distraction()} in mind ${p.time}, but ${p.about()} and ${p.about()} came first`,
  (p) => `this is not about ${p.distraction()}, I only want to ask about ${p.about()} and ${p.about()}`,
  (p) => `you ask about ${p.distraction()}, but all I can think of is ${p.about()} and ${p.about()}`,
  (p) => `${p.distraction()} can wait until ${p.day}, but tell ${p.who} about ${p.about()} and ${p.about()}`,
  (p) => `I came to talk about ${p.about()} and ${p.about()}, not about ${p.distraction()}`,
  (p) => `it has nothing to do with ${p.distraction()}, the trouble is ${p.about()} and ${p.about()}`,
  (p) => `forget ${p.distraction()} for a moment, ${p.about()} and ${p.about()} will not wait`,
  (p) => `${p.helper()} did not ask about ${p.distraction()} at all, only about ${p.about()}`,
  (p) =>
    `${p.distraction()} gave me no trouble ${p.time}, but ${p.about()} and ${p.about()} kept me ${p.place}`,
  (p) => `${p.who} thought it was ${p.distraction()}, but it was ${p.matter()} and then ${p.about()}`,
  (p) => `with ${p.about()} and ${p.about()} to think of, nobody thought of ${p.distraction()}`,
  (p) =>
    `if ${p.who} should ask, say it is ${p.distraction()}, but between us it is ${p.about()} and ${p.about()}`,
  (p) => `once I worried about ${p.distraction()}, and now it is ${p.about()} and ${p.about()}`,
  (p) => `first tell me about ${p.about()} and ${p.about()}, and then we can talk about ${p.distraction()}`,
  (p) => `${p.helper()} wrote to me about ${p.about()} ${p.time}, and not a word about ${p.distraction()}`,
];

const TEMPLATES: Record<Manner, readonly Template[]> = { plain: PLAIN, rare: RARE, mixed: MIXED };

/** One note with its first letter large and its last mark. It may repeat an earlier one: the caller drops those. */
export function writeSentence(choices: Choices, options: SentenceOptions): string {
  const template = choices.pick(TEMPLATES[pickManner(choices)]);
  const body = template(pickParts(choices, options));
  const text = choices.chance(OPENER_SHARE) ? `${choices.pick(OPENERS)}, ${body}` : body;
  const mark = /^do you |^must I |so why /.test(body) ? '?' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${mark}`;
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

const ARTICLES = { matter: 'the', own: 'my', several: 'my', helper: 'the' };
type NounSlot = keyof typeof ARTICLES;

/** How often a matter that can be tied to something of one's own is: "the pain in my knee". */
const LINKED_SHARE = 0.25;

function pickParts(choices: Choices, { label, testOnlyShare }: SentenceOptions): Parts {
  const used = new Set<string>();
  const draw = <Place extends Slot>(
    topic: Topic,
    slots: readonly Place[],
  ): { slot: Place; word: TopicWord } => {
    const list = choices.chance(testOnlyShare) ? 'testOnly' : 'shared';
    const candidatesOf = (from: keyof Split): { slot: Place; word: TopicWord }[] =>
      slots
        .flatMap((slot) => LEXICONS[topic][slot][from].map((word) => ({ slot, word })))
        .filter(({ word }) => !used.has(word.word));
    const candidates = candidatesOf(list);
    // A slot may have no word of its own for the test; one that training knows always exists.
    const drawn = choices.pick(candidates.length > 0 ? candidates : candidatesOf('shared'));
    used.add(drawn.word.word);
    return drawn;
  };
  const noun = (topic: Topic, ...slots: NounSlot[]): string => {
    const { slot, word } = draw(topic, slots);
    const phrase = `${ARTICLES[slot]} ${word.word}`;
    if (topic !== label || word.link === undefined || !choices.chance(LINKED_SHARE)) return phrase;
    return `${phrase} ${word.link} ${noun(topic, 'own')}`;
  };
  const opposite: Topic = label === 'health' ? 'money' : 'health';
  return {
    who: choices.pick(PEOPLE),
    time: choices.pick(TIMES),
    day: choices.pick(DAYS),
    place: choices.pick(PLACES),
    about: () => noun(label, 'matter', 'own', 'several'),
    distraction: () => noun(opposite, 'matter', 'own', 'several', 'helper'),
    matter: () => noun(label, 'matter'),
    own: () => noun(label, 'own'),
    helper: () => noun(label, 'helper'),
    state: () => draw(label, ['state']).word.word,
    act: () => draw(label, ['act']).word.word,
  };
}
