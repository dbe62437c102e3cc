import type { PrivacyUnit } from '@chorale/privacy';
import { formatCount, formatEpsilon, formatNumber } from '@chorale/ui';

type ProtectedUnit = Exclude<PrivacyUnit, 'none'>;

/** The numbers a mechanism is made of. */
export type MechanismNumbers = {
  clippingNorm: number;
  noiseMultiplier: number;
  samplingRate: number;
  expectedBatchSize: number;
  localSteps: number;
};

/** What the privacy card says. */
export const privacyMessages = {
  title: 'Privacy',
  noneTitle: 'This run has no privacy mechanism',
  none: 'Updates are not noised, and there is no epsilon. Whoever sees them could find out about single rows. Contributors are warned loudly.',
  mechanism: {
    example: ({ clippingNorm, noiseMultiplier, samplingRate, expectedBatchSize }) =>
      `DP-SGD in every tab: each row joins a step with chance ${formatNumber(samplingRate)} (Poisson sampling); the gradient of each row is limited to the L2 norm ${formatNumber(clippingNorm)}; Gaussian noise of standard deviation ${formatNumber(noiseMultiplier)} × ${formatNumber(clippingNorm)} = ${formatNumber(noiseMultiplier * clippingNorm)} is added to their sum, which is then divided by ${formatNumber(expectedBatchSize)}. The noise is added on the contributor’s device, so the server never sees an update without it.`,
    contributor: ({ clippingNorm, noiseMultiplier, localSteps }) =>
      `Each tab takes ${formatCount(localSteps)} plain steps on its own rows; the whole change of the round is limited to the L2 norm ${formatNumber(clippingNorm)}; Gaussian noise of standard deviation ${formatNumber(noiseMultiplier)} × 2 × ${formatNumber(clippingNorm)} = ${formatNumber(2 * noiseMultiplier * clippingNorm)} is added to it once. Sampling rows does not lower the epsilon here. The noise is added on the contributor’s device, so the server never sees an update without it.`,
  } satisfies Record<ProtectedUnit, (numbers: MechanismNumbers) => string>,
  spent: 'Epsilon of all charged rounds, contributor with most',
  spentOf: (spent: number, planned: number) => `${formatEpsilon(spent)} of ${formatEpsilon(planned)} planned`,
  facts: {
    unit: 'Unit of privacy',
    units: {
      example: 'one row of one tab',
      contributor: 'all that one contributor puts into the run',
    } satisfies Record<ProtectedUnit, string>,
    relation: 'Neighbouring data',
    relations: {
      example: 'zero-out: one row replaced by nothing; the number of rows may be known',
      contributor: 'replace: the rows of one contributor replaced by any others (local differential privacy)',
    } satisfies Record<ProtectedUnit, string>,
    delta: 'Delta',
    noise: 'Noise multiplier',
    noiseText: {
      example: (noiseMultiplier: number) => `${formatNumber(noiseMultiplier)} × clipping norm`,
      contributor: (noiseMultiplier: number) => `${formatNumber(noiseMultiplier)} × 2 × clipping norm`,
    } satisfies Record<ProtectedUnit, (noiseMultiplier: number) => string>,
    noiseKind: 'Noise',
    noiseKinds: {
      'rounded-gaussian': 'Gaussian, rounded to an integer grid',
      'discrete-gaussian': 'discrete Gaussian, exact sampler',
    },
    clipping: 'Clipping',
    clippingRules: {
      flat: (clippingNorm: number) => `flat, to the norm ${formatNumber(clippingNorm)}`,
      automatic: (clippingNorm: number) =>
        `automatic, to about the norm ${formatNumber(clippingNorm)} (Bu et al. 2022)`,
    },
    sampling: 'Sampling rate',
    steps: 'Noised steps, all rounds',
    stepsText: (steps: number, rounds: number) => `${steps} × ${rounds} = ${formatCount(steps * rounds)}`,
    releases: 'Noised releases, all rounds',
    counts: 'Counts on own rows',
    countsText: (noiseMultiplier: number) =>
      `two a round, noise of standard deviation ${formatNumber(noiseMultiplier)} × √2 in each tab; in the epsilon`,
    countsNone: 'none are asked for',
    accountant: 'Accountant',
    accountantText:
      'Privacy loss distributions (PLD): tight, pessimistic, rounded up. Outside their range Rényi DP (RDP), a looser upper bound.',
    accountantOther: (note: string) => `The epsilon after all rounds is that of ${note}.`,
  },
} as const;
