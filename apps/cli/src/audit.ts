import type { PrivacyPlan } from '@chorale/privacy';
import { roundEpsilonUp } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { openCompute } from '@chorale/trainer';
import type { AuditReport } from '@chorale/trainer/audit';
import { auditTrainingStep } from '@chorale/trainer/audit';
import { privacyPlanOf, resolveNoiseMultiplier } from '@chorale/trainer/privacyPlan';
import {
  nodeBackend,
  oneOf,
  parseOptions,
  positiveNumber,
  probability,
  refusedByAccountant,
  wholeNumber,
} from './options.ts';
import { readRunConfig } from './runFile.ts';

export const AUDIT_USAGE = `chorale audit [--sampling-rate Q --noise-multiplier S --steps T --delta D | --config run.json]
              [--local-steps K] [--canaries M] [--confidence P] [--backend wasm|cpu] [--json]

Attacks this program's own training step and holds what the attack finds against the epsilon that is claimed for it.

M canaries, examples with a huge gradient along a coordinate of their own, are each put into the data with probability 1/2.
The real training step runs on them (coins, clipping, grid, noise, step, encoding); only the model's gradients are replaced.
From all updates of a training the attacker, who knows everything but the coins and the noise, guesses which canaries were
there. If he is right more often than the claim allows, the claim is wrong: exit code 1.

  --sampling-rate Q      default 0.05
  --noise-multiplier S   default 1
  --steps T              noised steps in all, default 200
  --delta D              default 1e-5
  --clipping RULE        flat (default) or automatic
  --noise KIND           rounded-gaussian (default) or discrete-gaussian
  --config run.json      instead of all of these: the plan of a run with privacy.unit example
  --local-steps K        steps per update, default 1: the attacker sees every step by itself, which shows him more than an
                         update of several steps, whatever the run does; T must be a multiple of it
  --canaries M           default 20000; more show more
  --confidence P         default 0.999: how often the audit of a correct program passes, at least
  --backend NAME         wasm (default) or cpu
  --json                 one JSON object on the last line

It audits the privacy unit example. It cannot see what no update shows: timing, files, the page around the training step.
`;

const FROM_CONFIG = ['sampling-rate', 'noise-multiplier', 'steps', 'delta', 'clipping', 'noise'] as const;

export async function audit(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    'sampling-rate': { type: 'string' },
    'noise-multiplier': { type: 'string' },
    steps: { type: 'string' },
    delta: { type: 'string' },
    clipping: { type: 'string' },
    noise: { type: 'string' },
    config: { type: 'string' },
    'local-steps': { type: 'string', default: '1' },
    canaries: { type: 'string', default: '20000' },
    confidence: { type: 'string', default: '0.999' },
    backend: { type: 'string', default: 'wasm' },
    json: { type: 'boolean', default: false },
  });
  const localSteps = wholeNumber('local-steps', values['local-steps'], 1);
  const { plan, steps } =
    values.config === undefined ? planOfOptions(values) : planOfConfig(values.config, values);
  if (steps % localSteps !== 0) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `--local-steps: expected a divisor of ${steps} steps, got ${localSteps}`,
    );
  }
  const canaries = wholeNumber('canaries', values.canaries, 100);
  const confidence = probability('confidence', values.confidence, 'under 1');
  const compute = await openCompute(nodeBackend(values.backend));
  const startedAt = performance.now();
  const report = await auditTrainingStep({
    compute,
    plan: { ...plan, localSteps },
    steps,
    canaries,
    confidence,
    onProgress: progressOn(process.stderr),
  });
  const seconds = (performance.now() - startedAt) / 1000;
  process.stdout.write(`${describeAudit(report)}\nTook ${seconds.toFixed(0)} s on ${compute.backend}.\n`);
  if (values.json) {
    const claimed = { ...report.claimed, epsilon: roundEpsilonUp(report.claimed.epsilon, 6) };
    process.stdout.write(`${JSON.stringify({ ...report, claimed, seconds })}\n`);
  }
  return report.passed ? 0 : 1;
}

type PlanOptions = Partial<Record<(typeof FROM_CONFIG)[number], string>>;

function planOfOptions(values: PlanOptions): { plan: PrivacyPlan; steps: number } {
  const plan: PrivacyPlan = {
    unit: 'example',
    clipping: oneOf('clipping', values.clipping ?? 'flat', ['flat', 'automatic']),
    clippingNorm: 2, // not 1: a forgotten factor C must show
    noiseMultiplier: positiveNumber('noise-multiplier', values['noise-multiplier'] ?? '1'),
    noise: oneOf('noise', values.noise ?? 'rounded-gaussian', ['rounded-gaussian', 'discrete-gaussian']),
    samplingRate: probability('sampling-rate', values['sampling-rate'] ?? '0.05', '1'),
    localSteps: 1,
    expectedBatchSize: 32,
    learningRate: 0.5,
    targetDelta: probability('delta', values.delta ?? '1e-5', 'under 1'),
    localMetricsNoiseMultiplier: null,
  };
  return { plan, steps: wholeNumber('steps', values.steps ?? '200', 1) };
}

function planOfConfig(path: string, values: PlanOptions): { plan: PrivacyPlan; steps: number } {
  for (const name of FROM_CONFIG) {
    if (values[name] !== undefined) {
      throw new ChoraleError('CONFIG_INVALID', `--${name} comes from the file when --config is given`);
    }
  }
  const config = readRunConfig(path);
  if (config.privacy.unit !== 'example') {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected a run with privacy.unit example, got ${config.privacy.unit}: the audit knows no other`,
    );
  }
  const noiseMultiplier = refusedByAccountant(() => resolveNoiseMultiplier(config));
  if (config.localMetrics !== undefined) {
    process.stdout.write(
      'The run also releases noisy counts (localMetrics); this audit is of its updates alone.\n',
    );
  }
  return {
    // The counts of localMetrics are another release, of which no update shows anything
    plan: { ...privacyPlanOf({ config, noiseMultiplier }), localMetricsNoiseMultiplier: null },
    steps: config.training.localSteps * config.rounds.count,
  };
}

/** The audit in words, for somebody who has not read its source. */
export function describeAudit(report: AuditReport): string {
  const { claimed, contribution, coins, noise, game, canaries, confidence } = report;
  const verdict = (passed: boolean) => (passed ? 'ok    ' : 'FAILED');
  const percent = (value: number, round: typeof atMost | null = null) =>
    `${round === null ? (100 * value).toFixed(1) : round(100 * value, 1)} %`;
  const sure = `${Number((100 * confidence).toPrecision(6))} %`;
  const { rates } = game;
  const bounds = [
    `  at least ${atLeast(game.epsilonAtLeast, 2)} whatever the mechanism is (weak: ${canaries.present + canaries.absent} canaries cannot show more than ` +
      `${atMost(Math.log(Math.min(canaries.present, canaries.absent)), 1)})`,
    game.gaussian === null
      ? '  nothing more if it is Gaussian noise on a Poisson sample; use more canaries'
      : `  at least ${atLeast(game.gaussian.epsilonAtLeast, 2)} if it is Gaussian noise on a Poisson sample of the claimed rate, ` +
        `with a noise multiplier of at most ${atMost(game.gaussian.noiseMultiplierAtMost, 3)}`,
  ];
  return [
    `Claimed: epsilon ${roundEpsilonUp(claimed.epsilon)} at delta ${claimed.delta}, for ${claimed.steps} steps at sampling rate ${claimed.samplingRate} ` +
      `and noise multiplier ${claimed.noiseMultiplier}, ${claimed.localSteps} per update.`,
    'Observed:',
    `${verdict(contribution.passed)} clipping: one example moved a step by at most ${atMost(contribution.largest, 3)} of clippingNorm, ` +
      `one that was not there by ${atMost(contribution.absentLargest, 3)}`,
    `${verdict(coins.passed)} coins: drawn with probability ${atLeast(coins.rateLower, 5)} to ${atMost(coins.rateUpper, 5)}; spread of batch sizes ` +
      `${coins.batchSizeScore.toFixed(1)} and of participation ${coins.participationScore.toFixed(1)} standard errors off`,
    `${verdict(noise.passed)} noise: ${noise.ratio.toFixed(4)} of what is claimed (${noise.sizeScore.toFixed(1)} standard errors off); correlation with the ` +
      `next update ${noise.releaseScore.toFixed(1)}, with the next coordinate ${noise.neighbourScore.toFixed(1)} standard errors`,
    `${verdict(game.passed)} guessing ${canaries.present} present and ${canaries.absent} absent canaries: ${percent(rates.falsePositiveRate)} false positives ` +
      `(at most ${percent(rates.falsePositiveUpper, atMost)}), ${percent(rates.falseNegativeRate)} false negatives`,
    `       (at most ${percent(rates.falseNegativeUpper, atMost)}, where the claim demands at least ${percent(game.leastFalseNegativeRate, atLeast)})`,
    `So with ${sure} confidence epsilon is`,
    ...bounds,
    report.passed
      ? 'Verdict: passed. Nothing observed contradicts the claim; an audit can refute a claim, never prove it.'
      : 'Verdict: REFUTED. The training step is not what the claim says; do not train on private data with it.',
  ].join('\n');
}

/** Rounded down: what is said of it with "at least" stays true. */
function atLeast(value: number, digits: number): string {
  return roundedTo(value, digits, Math.floor);
}

/** Rounded up: what is said of it with "at most" stays true. */
function atMost(value: number, digits: number): string {
  return roundedTo(value, digits, Math.ceil);
}

function roundedTo(value: number, digits: number, round: (value: number) => number): string {
  return (round(value * 10 ** digits) / 10 ** digits).toFixed(digits);
}

/** A line of progress every few seconds. */
function progressOn(stream: NodeJS.WriteStream): (done: number, inAll: number) => void {
  const startedAt = performance.now();
  let next = 2000;
  return (done, inAll) => {
    const elapsed = performance.now() - startedAt;
    if (elapsed < next) return;
    next = elapsed + 2000;
    const left = (elapsed * (inAll - done)) / done / 1000;
    stream.write(`${done} of ${inAll} updates, about ${left.toFixed(0)} s left\n`);
  };
}
