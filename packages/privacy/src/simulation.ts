import { integerNoise } from './mechanism/integerNoise.ts';
import type { NoiseSource } from './mechanism/noiseSource.ts';
import type { NoiseKind } from './mechanism/plan.ts';
import type { RandomSource } from './mechanism/random.ts';

/**
 * A noise source whose noise anybody who knows `random` can take off again: for simulations, which must repeat bit by bit
 * and whose clients are made up, for audits and for tests. The samplers are those of `noiseSource`, and so is the mark on
 * what comes out; lint lets only these places import this entry point.
 */
export function seededNoiseSource(kind: NoiseKind, random: RandomSource): NoiseSource {
  return integerNoise(kind, random);
}
