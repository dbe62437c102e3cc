import { describe, expect, it } from 'vitest';
import { nextAdapter } from './serverOptimizer.ts';
import type { AdapterState } from './serverOptimizer.ts';

const SGD = { name: 'sgd', learningRate: 0.5 } as const;
const MOMENTUM = { name: 'momentum', learningRate: 0.5, momentum: 0.75 } as const;
const ADAM = { name: 'adam', learningRate: 0.25, beta1: 0.5, beta2: 0.75, tau: 0.5 } as const;
const FIRST = { start: 0, end: 1 };

/** Rounds of one parameter, one after the other. */
function run(
  optimizer: Parameters<typeof nextAdapter>[2]['optimizer'],
  deltas: readonly number[],
): AdapterState[] {
  const states: AdapterState[] = [{ parameters: Float64Array.of(2), optimizerState: null }];
  for (const delta of deltas) {
    states.push(nextAdapter(states.at(-1)!, Float64Array.of(delta), { optimizer, range: FIRST }));
  }
  return states.slice(1);
}

describe('nextAdapter', () => {
  it('sgd adds the mean update, scaled, and carries nothing', () => {
    expect(run(SGD, [10, -4])).toEqual([
      { parameters: Float64Array.of(7), optimizerState: null },
      { parameters: Float64Array.of(5), optimizerState: null },
    ]);
  });

  it('momentum: by hand, all numbers exact', () => {
    // v: 8, 0.75·8 + 2 = 8, 0.75·8 − 4 = 2; x: 2 + 4, + 4, + 1
    expect(run(MOMENTUM, [8, 2, -4])).toEqual([
      { parameters: Float64Array.of(6), optimizerState: Float64Array.of(8) },
      { parameters: Float64Array.of(10), optimizerState: Float64Array.of(8) },
      { parameters: Float64Array.of(11), optimizerState: Float64Array.of(2) },
    ]);
  });

  it('adam: by hand, all numbers exact', () => {
    // v₀ = τ² = 0.25 and stays there: 0.75·0.25 + 0.25·0.5². √v + τ = 1. m: 0.25, then 0.125 + 0.25
    // x: 2 + 0.25·0.25, + 0.25·0.375
    expect(run(ADAM, [0.5, 0.5])).toEqual([
      { parameters: Float64Array.of(2.0625), optimizerState: Float64Array.of(0.25, 0.25) },
      { parameters: Float64Array.of(2.15625), optimizerState: Float64Array.of(0.375, 0.25) },
    ]);
  });

  it('adam: as the recursion written as sums over all rounds', () => {
    const optimizer = { name: 'adam', learningRate: 0.03, beta1: 0.9, beta2: 0.99, tau: 1e-3 } as const;
    const deltas = [0.3, -0.02, 0, 7, -0.5, 1e-5];
    const states = run(optimizer, deltas);
    let x = 2;
    deltas.forEach((_, t) => {
      const past = deltas.slice(0, t + 1);
      const m = past.reduce((sum, delta, s) => sum + 0.1 * 0.9 ** (t - s) * delta, 0);
      const v = past.reduce(
        (sum, delta, s) => sum + 0.01 * 0.99 ** (t - s) * delta ** 2,
        0.99 ** (t + 1) * 1e-6,
      );
      x += (0.03 * m) / (v ** 0.5 + 1e-3);
      expect(states[t]!.parameters[0]).toBeCloseTo(x, 12);
    });
  });

  it.each([SGD, MOMENTUM, ADAM])('$name moves nothing outside of what the round trains', (optimizer) => {
    const start: AdapterState = { parameters: Float64Array.of(5, 1, 9), optimizerState: null };
    const middle = { optimizer, range: { start: 1, end: 2 } };
    const last = { optimizer, range: { start: 2, end: 3 } };
    const once = nextAdapter(start, Float64Array.of(4), middle);
    const other = nextAdapter(once, Float64Array.of(-3), last);
    const again = nextAdapter(other, Float64Array.of(2), middle);
    // The middle alone, without the round of the last one in between
    const alone = nextAdapter(once, Float64Array.of(2), middle);
    expect(again.parameters[1]).toBe(alone.parameters[1]);
    expect(again.parameters[0]).toBe(5);
    expect(again.parameters[2]).toBe(other.parameters[2]);
    expect(other.parameters[1]).toBe(once.parameters[1]);
    const size = { sgd: 0, momentum: 3, adam: 6 }[optimizer.name];
    expect(again.optimizerState?.length ?? 0).toBe(size);
    for (let i = 0; i < size; i += 3) {
      expect(again.optimizerState![i + 1]).toBe(alone.optimizerState![i + 1]);
      expect(again.optimizerState![i + 2]).toBe(other.optimizerState![i + 2]);
      expect(again.optimizerState![i]).toBe(i === 3 ? ADAM.tau ** 2 : 0);
    }
    expect(start).toEqual({ parameters: Float64Array.of(5, 1, 9), optimizerState: null });
  });

  it('does not change what it is given', () => {
    const current = { parameters: Float64Array.of(1), optimizerState: Float64Array.of(0.5, 0.25) };
    nextAdapter(current, Float64Array.of(3), { optimizer: ADAM, range: FIRST });
    expect(current).toEqual({ parameters: Float64Array.of(1), optimizerState: Float64Array.of(0.5, 0.25) });
  });

  it('refuses what does not fit float32, other lengths, and the state of another optimizer', () => {
    const current = { parameters: Float64Array.of(3e38), optimizerState: null };
    const one = { optimizer: { ...SGD, learningRate: 1 }, range: FIRST };
    expect(() => nextAdapter(current, Float64Array.of(3e38), one)).toThrow(/fit float32/);
    expect(() => nextAdapter(current, Float64Array.of(NaN), one)).toThrow(
      expect.objectContaining({ code: 'UPDATE_NOT_FINITE' }),
    );
    expect(() => nextAdapter(current, Float64Array.of(1, 2), one)).toThrow(/expected 1 values/);
    for (const [optimizer, length] of [
      [SGD, 1],
      [MOMENTUM, 2],
      [ADAM, 1],
    ] as const) {
      // prettier-ignore
      const state = { parameters: Float64Array.of(0), optimizerState: new Float64Array(length) };
      expect(() => nextAdapter(state, Float64Array.of(1), { optimizer, range: FIRST })).toThrow(/state, got/);
    }
  });
});
