/** Who counts as one: one row of one tab. (`contributor`, the whole tab, comes with its own mechanism.) */
export type PrivacyUnit = 'example' | 'none';

/**
 * Neighbouring relation of every event here. `zero-out`: one example is replaced by nothing while the number of rows
 * is public; the numbers equal those of add/remove, and q*n may be public (JAX-Privacy's ZERO_OUT).
 */
export type NeighbouringRelation = 'zero-out';

/** One noised sum over a Poisson sample: every example joins with probability samplingRate, independently. */
export type PoissonSampledGaussianEvent = {
  type: 'poisson-sampled-gaussian';
  privacyUnit: 'example';
  neighbouringRelation: NeighbouringRelation;
  /** In (0, 1]. */
  samplingRate: number;
  /** Noise standard deviation over the sensitivity; > 0. */
  noiseMultiplier: number;
};

/** The same event `count` times in a row. */
export type SelfComposedEvent = { type: 'self-composed'; event: DpEvent; count: number };

/** Several events, one after the other. */
export type ComposedEvent = { type: 'composed'; events: readonly DpEvent[] };

/** A release without protection; it makes every epsilon infinite. */
export type NonPrivateEvent = { type: 'non-private' };

/** A mechanism as data: it states the mathematics completely. New mathematics = a new type, never a new meaning. */
export type DpEvent = PoissonSampledGaussianEvent | SelfComposedEvent | ComposedEvent | NonPrivateEvent;
