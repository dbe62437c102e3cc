import { dpSgdEvent, noiseMultiplierFor, reportedEpsilon, roundEpsilonUp } from '@chorale/privacy';
import {
  parseOptions,
  positiveNumber,
  probability,
  refusedByAccountant,
  required,
  wholeNumber,
} from './options.ts';

export const NOISE_USAGE = `chorale noise --target-epsilon E --delta D --sampling-rate Q --steps T [--json]

The smallest noise multiplier, in steps of 1e-4, with which T noised steps of DP-SGD cost at most epsilon E at delta D.

  --target-epsilon E   over 0
  --delta D            between 0 and 1; well under one over the number of examples
  --sampling-rate Q    probability with which a step draws each example, over 0 and up to 1
  --steps T            noised steps in all: rounds times local steps
  --json               one JSON object on the last line: {"noiseMultiplier": …, "epsilon": …}
`;

export async function noise(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    'target-epsilon': { type: 'string' },
    delta: { type: 'string' },
    'sampling-rate': { type: 'string' },
    steps: { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  const need = (name: 'target-epsilon' | 'delta' | 'sampling-rate' | 'steps') =>
    required(name, values[name], NOISE_USAGE);
  const targetEpsilon = positiveNumber('target-epsilon', need('target-epsilon'));
  const delta = probability('delta', need('delta'), 'under 1');
  const samplingRate = probability('sampling-rate', need('sampling-rate'), '1');
  const steps = wholeNumber('steps', need('steps'), 1);
  const { noiseMultiplier, epsilon } = refusedByAccountant(() => {
    const eventOf = (multiplier: number) => dpSgdEvent(samplingRate, multiplier, steps);
    const found = noiseMultiplierFor(eventOf, targetEpsilon, delta);
    return { noiseMultiplier: found, epsilon: reportedEpsilon(eventOf(found), delta) };
  });
  const rounded = roundEpsilonUp(epsilon.epsilon, 6);
  process.stdout.write(`noise multiplier ${noiseMultiplier}: epsilon ${rounded} at delta ${delta}\n`);
  if (values.json) {
    process.stdout.write(
      `${JSON.stringify({ noiseMultiplier, epsilon: rounded, accountant: epsilon.accountant, reason: epsilon.reason })}\n`,
    );
  }
  return 0;
}
