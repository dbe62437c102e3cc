import { markNoiseSource } from '../mechanism/noiseSource.ts';
import type { AddNoise, NoiseSource } from '../mechanism/noiseSource.ts';
import type { NoiseKind } from '../mechanism/plan.ts';

/**
 * Test-only: a noise source that adds what the test says, or nothing. With it values get the mark `Privatized` that are
 * not private at all; lint keeps it out of everything but tests.
 */
export function scriptedNoise(addNoise: AddNoise, kind: NoiseKind = 'rounded-gaussian'): NoiseSource {
  return markNoiseSource(kind, addNoise);
}
