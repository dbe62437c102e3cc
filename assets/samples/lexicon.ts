/**
 * The topic words of the sample files. Every word is either `shared` (training files and test file) or `testOnly`: it
 * never occurs in a training file, so only its meaning, not its count, can tell the label.
 */
export type Topic = 'health' | 'money';

export const TOPICS: readonly Topic[] = ['health', 'money'];

/**
 * The places in a sentence where a topic word may stand; both topics fill all of them, so that the words around a topic
 * word tell little about the topic.
 * - `matter`: "the ..." in the singular, what the note is about
 * - `own`: "my ..." in the singular
 * - `several`: "my ..." in the plural
 * - `helper`: "the ...", the person or the house one turns to
 * - `state`: an adjective for a person
 * - `act`: what a person does, a verb without an object
 */
export type Slot = 'matter' | 'own' | 'several' | 'helper' | 'state' | 'act';

/** `link`: the preposition that ties a matter to something of one's own, as in "the pain in my knee". */
export type TopicWord = { word: string; link: string | undefined };

export type Split = { shared: readonly TopicWord[]; testOnly: readonly TopicWord[] };

export type Lexicon = Record<Slot, Split>;

function words(list: string): TopicWord[] {
  return list
    .split(' ')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const [word = '', link] = entry.split('/');
      return { word, link };
    });
}

function split(shared: string, testOnly: string): Split {
  return { shared: words(shared), testOnly: words(testOnly) };
}

export const LEXICONS: Record<Topic, Lexicon> = {
  health: {
    matter: split(
      'fever cough medicine/for illness wound/on pain/in cold/in',
      'disease/of cure/for pill/for burn/on scar/on chill/in weakness/of bite/on',
    ),
    own: split(
      'throat stomach wrist skin finger neck heart',
      'shoulder knee elbow tooth jaw thumb forehead tongue nose chest',
    ),
    several: split('nerves bones eyes', 'teeth limbs muscles lips legs ears'),
    helper: split('doctor hospital nurse', 'dentist physician'),
    state: split('ill weak pale tired', 'sick feeble sore faint hoarse stiff exhausted'),
    act: split('suffer cough', 'sweat faint'),
  },
  money: {
    matter: split(
      'money/from rent/for bill/for price/of payment/for cost/of',
      'tax/on fee/for insurance/on fare amount/from profit/from sum/from transfer/from rental/of transaction/with total/of charge/on cash/from',
    ),
    own: split('account credit fortune property', 'balance capital estate share wealth fund stock'),
    several: split('dollars pounds accounts', 'savings bucks'),
    helper: split('bank clerk', 'director lawyer'),
    state: split('rich poor', ''),
    act: split('pay spend buy', 'borrow sell save invest'),
  },
};

/** All words of a topic in one list, each once. */
export function topicWords(topic: Topic, list: keyof Split): string[] {
  return [...new Set(Object.values(LEXICONS[topic]).flatMap((split) => split[list].map(({ word }) => word)))];
}
