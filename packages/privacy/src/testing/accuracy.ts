import type { CountedStep } from '../accounting/composeLoss.ts';
import { DirectedProfile } from '../accounting/directedProfile.ts';
import { oneStepDelta, tightDelta, twoStepDelta } from './tightDelta.ts';

/*
 * Test-only. How far the accountant is from the tight value, by sums that share nothing with it where they can be had,
 * by the finest grid otherwise.
 */

export type Accuracy = {
  /** What it was compared with. */
  against: 'closed form' | 'quadrature' | 'complex integral' | 'finest grid';
  /** epsilon + 1e-6 suffices for delta; true by construction against the finest grid, which errs upward itself. */
  isBound: boolean;
  /** epsilon less the tight value, to 10 %, or to 1e-7; not below 0. */
  slack: number;
};

/**
 * @param epsilon what the accountant says of the direction "remove", the larger one
 * @param delta   at which it says so
 */
export function accuracyOf(step: CountedStep, delta: number, epsilon: number): Accuracy {
  const { against, deltaAt } = exactDelta(step, epsilon);
  if (deltaAt === null) {
    const finest = new DirectedProfile([step], 'remove', { relative: 1e-8, absolute: 1e-8 }).epsilon(delta);
    return { against, isBound: true, slack: Math.max(0, epsilon - finest) };
  }
  // A part in 1e8 for the sums' own errors.
  const isBound = deltaAt(epsilon + 1e-6) <= delta * (1 + 1e-8);
  let slack = 1e-7;
  while (slack < epsilon && deltaAt(epsilon - slack) < delta) slack *= 1.1;
  return { against, isBound, slack: Math.min(slack, epsilon) };
}

function exactDelta(
  step: CountedStep,
  near: number,
):
  | { against: Exclude<Accuracy['against'], 'finest grid'>; deltaAt: (epsilon: number) => number }
  | { against: 'finest grid'; deltaAt: null } {
  if (step.count === 1) {
    return { against: 'closed form', deltaAt: (epsilon) => oneStepDelta(step, epsilon, 'remove') };
  }
  if (step.count === 2) {
    return { against: 'quadrature', deltaAt: (epsilon) => twoStepDelta(step, epsilon, 'remove') };
  }
  if (tightDelta([step], near + 1e-6, 'remove') === null) return { against: 'finest grid', deltaAt: null };
  return {
    against: 'complex integral',
    deltaAt: (epsilon) => tightDelta([step], Math.max(0, epsilon), 'remove') ?? Infinity,
  };
}
