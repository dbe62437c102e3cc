import type { PrivacyUnit } from '@chorale/privacy';
import { formatBytes, formatCount, formatEpsilon, formatNumber } from '@chorale/ui';
import { timesInHundred } from './odds.ts';

const plural = (count: number, one: string, many: string) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** Units that protect somebody. */
export type ProtectedUnit = Exclude<PrivacyUnit, 'none'>;

/** What section 4 says. Odds for the whole run, with the unit named; never that anything is sure. */
export const privacyMessages = {
  stays: 'Stays on this device',
  leaves: 'Leaves this device',
  staysList: (countsAreSent: boolean) => [
    'Your rows: every text and every label.',
    countsAreSent
      ? 'The exact number of your rows, how many there are of each label, and how many the model gets right.'
      : 'How many rows you have, and how many of each label (how long a round takes hints at the first).',
    countsAreSent
      ? 'Which rows are picked in which step.'
      : 'Which rows are picked in which step, and how well the model does on them.',
  ],
  staysPrivate: 'Every change to the model before it is limited and mixed with noise.',
  leavesNumbers: (values: number, bytesPerRound: number, rounds: number) =>
    `${formatCount(values)} numbers a round (${formatBytes(bytesPerRound)}) that say how the shared model should change. At most ${plural(rounds, 'round', 'rounds')}, ${formatBytes(bytesPerRound * rounds)} in all.`,
  leavesCounts: (noiseStdDev: number) =>
    `Two counts a round: how many rows you have, and how many of them the shared model gets right. Your device adds noise to both before they leave (standard deviation ${formatNumber(noiseStdDev)} rows); the odds below include them.`,
  leavesList: (backend: string) => [
    `That your device computes with ${backend}, and whether you are connected, paused or done.`,
    'A random contributor number, and in which rounds you took part, so that what you spent is not forgotten.',
    'Your network address, as with any web page.',
  ],
  protectedTitle: 'How these numbers are protected',
  protectedText: {
    example: (steps: number, clippingNorm: number, noiseMultiplier: number, values: number) =>
      `In each of the ${plural(steps, 'step', 'steps')} of a round, the influence of any one row is limited to a length of ${formatNumber(clippingNorm)}. Then your device adds random noise to each of the ${formatCount(values)} numbers. The noise is ${formatNumber(noiseMultiplier)} times as strong as that limit (standard deviation ${formatNumber(noiseMultiplier * clippingNorm)}), so that what one row did is mixed with chance. How well that protects is said next.`,
    contributor: (steps: number, clippingNorm: number, noiseMultiplier: number, values: number) =>
      `In each round your device takes ${plural(steps, 'step', 'steps')} on your rows and limits the whole change that comes of them to a length of ${formatNumber(clippingNorm)}. Then, once, it adds random noise to each of the ${formatCount(values)} numbers. Other rows could move that change by twice the limit at most, and the noise is ${formatNumber(noiseMultiplier)} times as strong as that (standard deviation ${formatNumber(2 * noiseMultiplier * clippingNorm)}), so that all you contribute is mixed with chance as a whole. How well that protects is said next.`,
  } satisfies Record<
    ProtectedUnit,
    (steps: number, clippingNorm: number, noiseMultiplier: number, values: number) => string
  >,
  oddsTitle: {
    example: 'How well one row is protected',
    contributor: 'How well all you contribute is protected',
  } satisfies Record<ProtectedUnit, string>,
  odds: (unit: ProtectedUnit, epsilon: number, delta: number) => {
    const times = timesInHundred(epsilon, delta);
    const right =
      times >= 100 ? 'can be right practically every time' : `is right at most ${times} times in 100`;
    return `Someone who sees everything you send over the whole run, and guesses ${GUESS[unit]}, ${right}; blind guessing is right 50 times.`;
  },
  weakTitle: 'This is weak protection.',
  weakText: {
    example:
      'A careful observer could find out about single rows with little doubt. Leave out rows that must not become known.',
    contributor:
      'A careful observer could find out about your rows with little doubt. Leave out rows that must not become known.',
  } satisfies Record<ProtectedUnit, string>,
  unitText: {
    example: 'The unit of protection is one row: these odds compare your data with the row and without it.',
    contributor:
      'The unit of protection is all you contribute: these odds hold for any two sets of rows, of whatever size and content.',
  } satisfies Record<ProtectedUnit, string>,

  limits: {
    title: 'Your own limits',
    intro:
      'Your device keeps to these limits, whatever the server asks for. At first they are just what this run asks for; you need not change them.',
    change: 'Set your own limits',
    allowed: (roundsAllowed: number | null, all: number) => {
      if (roundsAllowed === null) return 'Working out how many rounds they allow.';
      if (roundsAllowed === 0) return `They allow none of the ${plural(all, 'round', 'rounds')}.`;
      if (roundsAllowed >= all) return `They allow all of the ${plural(all, 'round', 'rounds')}.`;
      return `They allow ${roundsAllowed} of the ${plural(all, 'round', 'rounds')}. After these your device trains no more, and you can watch.`;
    },
    already: (spent: number) => `You have spent an epsilon of ${formatEpsilon(spent)} in this run already.`,
    epsilonLimit: 'Most epsilon in this run',
    epsilonHint: (planned: number) =>
      `All rounds together cost ${planned}. With less you take part in fewer rounds and are protected better.`,
    leastNoiseMultiplier: 'Least noise multiplier',
    noiseHint: (noiseMultiplier: number) =>
      `This run adds ${noiseMultiplier}. If it ever asked for less noise than you write here, your device would refuse.`,
    mostRounds: 'Most rounds',
    roundsHint: (rounds: number) => `This run has ${formatCount(rounds)}.`,
    notPositive: 'Write a number over 0, for example 3 or 0.5.',
    notWhole: 'Write a whole number of at least 1, for example 5.',
    reset: 'Back to what this run asks for',
    problemTitle: 'This run does not fit your limits',
    blocked: 'Your own limits and this run do not fit together yet. Mend them first.',
  },

  ledgerProblem: 'What you spent in this run before, and the limits you set, cannot be read',

  notCoveredTitle: 'What this does not cover',
  notCovered: {
    example: [
      'Several rows about the same person or event. Together they are protected less well than one row: for three of them, count at least three times the epsilon.',
      'Several runs. If you give the same rows to another run, what you spend there adds to what you spend here.',
      'What many people’s rows have in common. To learn that is what the run is for.',
      'That you take part, when, and with what kind of device.',
    ],
    contributor: [
      'Yourself under two numbers. From two browsers you count as two contributors, each protected by itself only.',
      'Several runs. If you take part in another run with the same rows, what you spend there adds to what you spend here.',
      'What many people’s rows have in common. To learn that is what the run is for.',
      'That you take part, when, and with what kind of device.',
    ],
  } satisfies Record<ProtectedUnit, string[]>,
  otherRuns: (unit: ProtectedUnit, epsilon: number) => {
    if (!Number.isFinite(epsilon)) {
      return 'In this browser you already took part in a run without protection, or in one whose record can no longer be read. If the rows are the same, the protection here does not undo that.';
    }
    const spent = `In this browser you already spent an epsilon of ${formatEpsilon(epsilon)} for one row in other runs.`;
    return unit === 'example'
      ? `${spent} If the rows are the same, the two add up.`
      : `${spent} If the rows are the same, each of them is protected less well by that much; the odds above are of this run alone.`;
  },

  storageTitle: 'If you clear this browser’s data',
  storage: {
    spending:
      'Your contributor number and what you spent are kept in this browser. If they are cleared, the server still knows you by a cookie that only this page gets back, and tells your device what it knows that you spent. Limits of your own are then to be set again. If the cookie is gone too, or the window was a private one, you count as new and your limits start from zero: do not contribute the same rows to this run again then.',
    unprotected:
      'Your contributor number is kept in this browser and in a cookie that only this page gets back. If both are cleared, you count as a new contributor.',
  },

  numbers: 'The exact numbers',
  facts: {
    epsilon: 'Total epsilon, at most',
    delta: 'Delta',
    accountant: 'How epsilon is computed',
    accountantText:
      'From privacy loss distributions (PLD): a tight upper bound, rounded up. Where those do not apply: Rényi DP (RDP), a looser upper bound.',
    relation: 'What is compared',
    relationText: {
      example: 'your rows with one of them, and with nothing in its place; the number of rows may be known',
      contributor: 'your rows, and any other rows in their place',
    } satisfies Record<ProtectedUnit, string>,
    noise: 'Noise multiplier',
    noiseKind: 'Noise',
    noiseKinds: {
      'rounded-gaussian': 'Gaussian, rounded to a grid',
      'discrete-gaussian': 'discrete Gaussian, drawn exactly',
    },
    clipping: 'Clipping norm',
    clippingRules: {
      flat: (clippingNorm: number) => `${formatNumber(clippingNorm)}; what is longer is scaled down to it`,
      automatic: (clippingNorm: number) =>
        `${formatNumber(clippingNorm)}; everything is scaled to about that length (automatic clipping)`,
    },
    sampling: 'Chance of a row to be picked in a step',
    steps: 'Steps a round',
    counts: 'Noise multiplier of the two counts',
  },

  noneTitle: 'This run protects nothing. Your rows could be found out from what leaves.',
  noneText:
    'It has no privacy mechanism: no noise is added to what leaves this device, and parts of your texts could be reconstructed from it. Contribute only rows that you would be willing to publish.',
  noneOdds:
    'Someone who sees what you send and guesses whether one particular row was in your file can be right every time. There is no epsilon: nothing limits what your updates say about your rows.',
  noneLeaves: 'No noise is mixed in before sending.',
  stopNote:
    'You can stop at any time. Updates that were already averaged stay in the shared model; their protection does not weaken afterwards.',
  stopNoteUnprotected:
    'You can stop at any time. Updates that were already averaged stay in the shared model and cannot be taken out.',
  trustTitle: 'Whom you trust',
  trust:
    'The server of this run delivers the program of this page, so it is what you trust: a server that sends another program could do other things with your rows. If you do not trust whoever runs it, do not contribute.',
  planHash: 'Fingerprint of the plan you agree to',
  planHashHint: 'Your device puts it into everything it sends, and stops if the run is no longer this one.',
  copy: { copy: 'Copy', copied: 'Copied.', byHand: 'Selected: press Ctrl+C or ⌘C to copy.' },
  consent: 'I have read what leaves my device',
  consentUnprotected: 'I have read what leaves my device, and that nothing protects it',
  consentMissing: 'Please read this section and tick the box first.',
  agree: 'I agree, start contributing',
  decline: 'I do not agree',
  agreed: (time: string) => `You agreed at ${time}. To take it back, stop below.`,
  closingTitle: 'You are not contributing',
  closing:
    'Nothing left this device, and nothing was kept of your rows. You can close this tab. Thank you for taking the time to read.',
  goBack: 'Go back to the page',
} as const;

const GUESS: Record<ProtectedUnit, string> = {
  example: 'whether one particular row was in your file',
  contributor: 'which of two sets of rows you used, yours or another one',
};
