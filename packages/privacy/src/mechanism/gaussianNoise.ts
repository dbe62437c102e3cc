import { BufferedUniform, webCryptoRandom } from './random.ts';
import type { RandomSource } from './random.ts';

/** Where the Gaussian mechanism takes its noise from. */
export type NoiseSource = {
  /**
   * Adds an independent N(0, stdDev²) draw to every element, in place and in float64.
   * @param stdDev > 0, unit of the values
   * @throws {RangeError} stdDev is not a finite positive number
   */
  addGaussian(values: Float64Array, stdDev: number): void;
};

/**
 * Gaussian noise by the Box-Muller transform from 53-bit uniforms; reaches sqrt(2·53·ln 2) = 8.57 standard
 * deviations. Float64 on the CPU, because a GPU's 24-bit uniforms stop at 5.77.
 * @param random leave it out in product code
 */
export function webCryptoNoise(random: RandomSource = webCryptoRandom): NoiseSource {
  return {
    addGaussian(values, stdDev) {
      if (!(stdDev > 0 && stdDev < Infinity)) {
        throw new RangeError(`stdDev must be a finite number over 0, got ${stdDev}`);
      }
      // A buffer of this call's own: nothing is drawn ahead and kept.
      const uniform = new BufferedUniform(random, Math.max(2, Math.min(values.length + 1, 8192)));
      for (let i = 0; i < values.length; i += 2) {
        const radius = stdDev * Math.sqrt(-2 * Math.log(uniform.next()));
        const angle = 2 * Math.PI * uniform.next();
        values[i]! += radius * Math.cos(angle);
        if (i + 1 < values.length) values[i + 1]! += radius * Math.sin(angle);
      }
    },
  };
}
