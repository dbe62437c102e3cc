import type { DpEvent } from './events.ts';

/**
 * Steps of DP-SGD, each a noised sum over a Poisson sample of examples.
 * @param samplingRate    in (0, 1]
 * @param noiseMultiplier > 0
 * @param steps           an integer ≥ 0
 */
export function dpSgdEvent(samplingRate: number, noiseMultiplier: number, steps: number): DpEvent {
  return {
    type: 'self-composed',
    event: {
      type: 'poisson-sampled-gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      samplingRate,
      noiseMultiplier,
    },
    count: steps,
  };
}
