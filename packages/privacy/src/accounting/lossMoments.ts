import { EIGHT_POINTS } from './gaussLegendre.ts';
import type { Step } from './privacyLossGrid.ts';
import { outcomeRange } from './privacyLossGrid.ts';
import { lossOfOutcome } from './sampledGaussianLoss.ts';

/** `remove`: the data with the example against the data without it; `add`: the other way round. */
export type Direction = 'remove' | 'add';

/** A cumulant generating function and its derivative. */
export type Cumulants = { value: number; mean: number };

/**
 * The cumulant generating function K(θ) = log E[exp(θ·loss)] of one step's privacy loss, by quadrature. It decides
 * where to look (tilt, window), never what is reported.
 */
export class LossMoments {
  readonly #losses: Float64Array;
  readonly #logMasses: Float64Array;
  /** Of the losses that are not left out. */
  readonly largest: number;

  constructor(step: Step, direction: Direction, tailMass: number) {
    const { samplingRate, noiseMultiplier } = step;
    const variance = noiseMultiplier * noiseMultiplier;
    const [lowest, highest] = outcomeRange(step, tailMass);
    const panels = Math.ceil((highest - lowest) / Math.min(noiseMultiplier / 2, variance));
    const width = (highest - lowest) / panels;
    const { nodes, weights } = EIGHT_POINTS;
    this.#losses = new Float64Array(panels * nodes.length);
    this.#logMasses = new Float64Array(panels * nodes.length);
    for (let i = 0; i < this.#losses.length; i++) {
      const node = i % nodes.length;
      const z = lowest + width * (Math.floor(i / nodes.length) + nodes[node]!);
      const loss = lossOfOutcome(samplingRate, noiseMultiplier, z);
      const logMass =
        (-z * z) / (2 * variance) +
        Math.log((weights[node]! * width) / (noiseMultiplier * Math.sqrt(2 * Math.PI)));
      this.#losses[i] = direction === 'remove' ? loss : -loss;
      this.#logMasses[i] = direction === 'remove' ? logMass + loss : logMass;
    }
    const atEnd = lossOfOutcome(samplingRate, noiseMultiplier, direction === 'remove' ? highest : lowest);
    this.largest = direction === 'remove' ? atEnd : -atEnd;
  }

  /** @param tilt θ, any finite number */
  at(tilt: number): Cumulants {
    const count = this.#losses.length;
    let largest = -Infinity;
    for (let i = 0; i < count; i++) {
      largest = Math.max(largest, this.#logMasses[i]! + tilt * this.#losses[i]!);
    }
    let mass = 0;
    let first = 0;
    for (let i = 0; i < count; i++) {
      const loss = this.#losses[i]!;
      const weight = Math.exp(this.#logMasses[i]! + tilt * loss - largest);
      mass += weight;
      first += weight * loss;
    }
    return { value: largest + Math.log(mass), mean: first / mass };
  }
}
