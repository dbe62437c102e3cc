/**
 * Who counts as one. `example`: one row of one tab. `contributor`: all that one contributor puts into a round.
 * `none`: nobody is protected.
 */
export type PrivacyUnit = 'example' | 'contributor' | 'none';

/**
 * What two neighbouring data sets differ in.
 * `zero-out`: one unit is replaced by nothing while the number of rows is public; the numbers equal those of add/remove,
 * and q*n may be public (JAX-Privacy's ZERO_OUT).
 * `replace`: one unit is replaced by any other. For a contributor, who is known to take part, this is local differential
 * privacy: any two data sets look alike.
 */
export type NeighbouringRelation = 'zero-out' | 'replace';

/** Unit and relation belong together: the sensitivity of each mechanism is stated for this pair. */
type ProtectedUnit =
  | { privacyUnit: 'example'; neighbouringRelation: 'zero-out' }
  | { privacyUnit: 'contributor'; neighbouringRelation: 'replace' };

/**
 * One value plus Gaussian noise, of either kind that a plan can name (`NoiseKind`): both are charged as the continuous
 * Gaussian, and this is how sure that is.
 * `rounded-gaussian`: rounding is post-processing of the continuous Gaussian mechanism, so every accountant's number holds,
 * up to the gaps between float64 and real numbers (`noiseSource`).
 * `discrete-gaussian`: no floating point. Rényi accounting holds by theorem, without sampling at every order, with sampling
 * at integer orders (`DiscreteGaussian`). At fractional orders with sampling, and for the privacy loss distribution, it is
 * evidence: gradients are clipped 1e-4 short of their bound, which covers what whole units make different
 * (`discreteLoss.test.ts`, one coordinate, one step).
 */
export type GaussianEvent = ProtectedUnit & {
  type: 'gaussian';
  /** Noise standard deviation over the L2 sensitivity of the value under the stated relation; > 0. */
  noiseMultiplier: number;
};

/**
 * One noised sum over a Poisson sample: every example joins with probability samplingRate, independently. For the kinds of
 * noise see `GaussianEvent`.
 */
export type PoissonSampledGaussianEvent = {
  type: 'poisson-sampled-gaussian';
  privacyUnit: 'example';
  neighbouringRelation: 'zero-out';
  /** In (0, 1]. */
  samplingRate: number;
  /** Noise standard deviation over the L2 sensitivity of the sum; > 0. */
  noiseMultiplier: number;
};

/** The same event `count` times in a row. */
export type SelfComposedEvent = { type: 'self-composed'; event: DpEvent; count: number };

/** Several events, one after the other. */
export type ComposedEvent = { type: 'composed'; events: readonly DpEvent[] };

/** A release without protection; it makes every epsilon infinite. */
export type NonPrivateEvent = { type: 'non-private' };

/** A mechanism as data: it states the mathematics completely. New mathematics = a new type, never a new meaning. */
export type DpEvent =
  GaussianEvent | PoissonSampledGaussianEvent | SelfComposedEvent | ComposedEvent | NonPrivateEvent;
