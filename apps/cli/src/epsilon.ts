import type { PrivacyPlan, ReportedEpsilon } from '@chorale/privacy';
import { dpSgdEvent, eventOfRounds, rdpEpsilon, reportedEpsilon, roundEpsilonUp } from '@chorale/privacy';
import type { DpEvent } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf, resolveNoiseMultiplier } from '@chorale/trainer/privacyPlan';
import {
  oneOf,
  parseOptions,
  positiveNumber,
  probability,
  refusedByAccountant,
  required,
  wholeNumber,
} from './options.ts';
import { readRunConfig } from './runFile.ts';

export const EPSILON_USAGE = `chorale epsilon --sampling-rate Q --noise-multiplier S --steps T --delta D [--accountant pld|rdp] [--json]
chorale epsilon --config run.json [--accountant pld|rdp] [--json]

What training costs: the epsilon at delta D of T noised steps of DP-SGD, for one example of a contributor's data (added,
removed, or zeroed out). Rounded up.

  --sampling-rate Q      probability with which a step draws each example, over 0 and up to 1
  --noise-multiplier S   noise standard deviation over clippingNorm
  --steps T              noised steps in all: rounds times local steps
  --delta D              between 0 and 1; well under one over the number of examples
  --accountant NAME      pld (default): privacy loss distributions, tight; where it cannot tell, rdp, and it says so.
                         rdp: Rényi differential privacy, valid and larger
  --config run.json      instead of the four: a run's plan, with epsilon after each tenth of its rounds
  --json                 one JSON object on the last line: {"epsilon": …}
`;

const ACCOUNTANTS = ['pld', 'rdp'] as const;
type Accountant = (typeof ACCOUNTANTS)[number];

type Found = Pick<ReportedEpsilon, 'epsilon' | 'accountant' | 'reason'>;

/** Digits that people and programs read; rounded up. */
const DIGITS = 6;

export async function epsilon(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    'sampling-rate': { type: 'string' },
    'noise-multiplier': { type: 'string' },
    steps: { type: 'string' },
    delta: { type: 'string' },
    accountant: { type: 'string', default: 'pld' },
    config: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const accountant = oneOf('accountant', values.accountant, ACCOUNTANTS);
  const { config, json } = values;
  if (config !== undefined) {
    for (const name of ['sampling-rate', 'noise-multiplier', 'steps', 'delta'] as const) {
      if (values[name] !== undefined) {
        throw new ChoraleError('CONFIG_INVALID', `--${name} comes from the file when --config is given`);
      }
    }
    printRun(config, accountant, json);
    return 0;
  }
  const need = (name: 'sampling-rate' | 'noise-multiplier' | 'steps' | 'delta') =>
    required(name, values[name], EPSILON_USAGE);
  const samplingRate = probability('sampling-rate', need('sampling-rate'), '1');
  const noiseMultiplier = positiveNumber('noise-multiplier', need('noise-multiplier'));
  const steps = wholeNumber('steps', need('steps'), 1);
  const delta = probability('delta', need('delta'), 'under 1');
  const found = epsilonOf(dpSgdEvent(samplingRate, noiseMultiplier, steps), delta, accountant);
  const rounded = roundEpsilonUp(found.epsilon, DIGITS);
  process.stdout.write(`epsilon ${rounded} at delta ${delta}\n${describeAccountant(found)}\n`);
  if (json) printJson({ epsilon: rounded, accountant: found.accountant, reason: found.reason });
  return 0;
}

function printRun(path: string, accountant: Accountant, json: boolean): void {
  const config = readRunConfig(path);
  if (config.privacy.unit === 'none') {
    const reason = 'this run has no privacy protection (privacy.unit none)';
    process.stdout.write(`epsilon is infinite: ${reason}\n`);
    if (json) printJson({ epsilon: null, accountant: null, reason });
    return;
  }
  const plan: PrivacyPlan = refusedByAccountant(() =>
    privacyPlanOf({ config, noiseMultiplier: resolveNoiseMultiplier(config) }),
  );
  const { count } = config.rounds;
  const shownRounds = [...new Set(Array.from({ length: 10 }, (_, i) => Math.ceil(((i + 1) * count) / 10)))];
  const rounds = shownRounds.map((round) => {
    const found = epsilonOf(eventOfRounds(plan, round), plan.targetDelta, accountant);
    return { round, ...found, epsilon: roundEpsilonUp(found.epsilon, DIGITS) };
  });
  const last = rounds.at(-1)!;
  process.stdout.write(
    `${config.name}: ${count} rounds of ${plan.localSteps} steps, noise multiplier ${plan.noiseMultiplier}, unit ${plan.unit}\n` +
      `round  epsilon at delta ${plan.targetDelta}\n` +
      rounds.map(({ round, epsilon: value }) => `${String(round).padStart(5)}  ${value}\n`).join('') +
      `${describeAccountant(last)}\n`,
  );
  if (json) {
    printJson({
      epsilon: last.epsilon,
      accountant: last.accountant,
      reason: last.reason,
      noiseMultiplier: plan.noiseMultiplier,
      rounds: rounds.map(({ round, epsilon: value }) => ({ round, epsilon: value })),
    });
  }
}

function epsilonOf(event: DpEvent, delta: number, accountant: Accountant): Found {
  return refusedByAccountant(() =>
    accountant === 'pld'
      ? reportedEpsilon(event, delta)
      : { epsilon: rdpEpsilon(event, delta), accountant: 'rdp', reason: null },
  );
}

function describeAccountant({ accountant, reason }: Found): string {
  const name =
    accountant === 'pld' ? 'PLD (privacy loss distribution), tight' : 'RDP (Rényi), an upper bound';
  return `accountant: ${name}${reason === null ? '' : `; ${reason}`}`;
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}
