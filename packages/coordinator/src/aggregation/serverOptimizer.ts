import type { RunConfig, TrainedRange } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';

type ServerOptimizer = RunConfig['aggregation']['serverOptimizer'];

/** What one round leaves to the next. */
export type AdapterState = {
  /** The global adapter, shape [parameterCount]. */
  parameters: Float64Array;
  /**
   * What the optimizer remembers. momentum: the velocity, shape [parameterCount]; adam: the first moment and behind it the
   * second, shape [2 · parameterCount]; null: sgd, or no round yet.
   */
  optimizerState: Float64Array | null;
};

/**
 * The next global adapter: the mean update, a change, is the server's pseudo-gradient Δ (Reddi et al. 2021, arXiv
 * 2003.00295, algorithms 1 and 2).
 *
 *   sgd       x ← x + η Δ                                                                   FedAvg when η is 1
 *   momentum  v ← βv + Δ,  x ← x + η v,  v₀ = 0                                             FedAvgM
 *   adam      m ← β₁m + (1−β₁)Δ,  v ← β₂v + (1−β₂)Δ²,  x ← x + η m/(√v + τ),  m₀ = 0, v₀ = τ²  FedAdam, not bias corrected
 *
 * Only what the round trains moves, in the parameters and in the optimizer's state. Float64 in one order, so the result is
 * a function of the arguments, bit by bit.
 * @param current    not changed
 * @param meanUpdate shape [range.end - range.start]
 * @returns new arrays; every parameter finite in float32 (in which it is sent)
 * @throws {RangeError} other lengths
 * @throws {ChoraleError} UPDATE_NOT_FINITE when a parameter leaves the range of float32
 */
export function nextAdapter(
  current: AdapterState,
  meanUpdate: Float64Array,
  { optimizer, range }: { optimizer: ServerOptimizer; range: TrainedRange },
): AdapterState {
  const { start, end } = range;
  if (meanUpdate.length !== end - start) {
    throw new RangeError(`expected ${end - start} values of the mean update, got ${meanUpdate.length}`);
  }
  const { optimizerState, steps } = remember(current, meanUpdate, optimizer, range);
  const parameters = current.parameters.slice();
  for (let i = 0; i < steps.length; i++) {
    const next = parameters[start + i]! + optimizer.learningRate * steps[i]!;
    if (!Number.isFinite(Math.fround(next))) {
      throw new ChoraleError(
        'UPDATE_NOT_FINITE',
        `expected the new adapter to fit float32, parameter ${start + i} would be ${next}; use a smaller server learning rate`,
      );
    }
    parameters[start + i] = next;
  }
  return { parameters, optimizerState };
}

/** What the optimizer knows after Δ, and where it steps: shape [range.end - range.start], before the learning rate. */
function remember(
  { parameters, optimizerState }: AdapterState,
  delta: Float64Array,
  optimizer: ServerOptimizer,
  { start }: TrainedRange,
): { optimizerState: Float64Array | null; steps: Float64Array } {
  const { length: count } = parameters;
  switch (optimizer.name) {
    case 'sgd':
      assertState(optimizerState, 0, optimizer);
      return { optimizerState: null, steps: delta };
    case 'momentum': {
      assertState(optimizerState, count, optimizer);
      const velocity = optimizerState?.slice() ?? new Float64Array(count);
      const steps = delta.map((value, i) => optimizer.momentum * velocity[start + i]! + value);
      velocity.set(steps, start);
      return { optimizerState: velocity, steps };
    }
    case 'adam': {
      assertState(optimizerState, 2 * count, optimizer);
      const { beta1, beta2, tau } = optimizer;
      const moments = optimizerState?.slice() ?? new Float64Array(2 * count).fill(tau ** 2, count);
      const first = moments.subarray(start);
      const second = moments.subarray(count + start);
      const steps = delta.map((value, i) => {
        first[i] = beta1 * first[i]! + (1 - beta1) * value;
        second[i] = beta2 * second[i]! + (1 - beta2) * value ** 2;
        return first[i] / (Math.sqrt(second[i]) + tau);
      });
      return { optimizerState: moments, steps };
    }
  }
}

/** @throws {RangeError} the state is of another optimizer or another adapter */
function assertState(state: Float64Array | null, expected: number, { name }: ServerOptimizer): void {
  if (state !== null && state.length !== expected) {
    throw new RangeError(`expected ${expected} values of ${name}'s state, got ${state.length}`);
  }
}
