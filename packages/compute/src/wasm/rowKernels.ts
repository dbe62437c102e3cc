import type { Body, Definition, Local, Value } from './assembler.ts';
import { define, f32, f32x4, i32 } from './assembler.ts';

type Int = Value<'i32'>;
type Vector = Value<'v128'>;
type Pointer = Local<'i32'>;

const FLOAT_BYTES = 4;
const VECTOR_BYTES = 16;

/** How a stretch of floats is read and written: four at a time, or the last ones each in lane 0 of a vector. */
type Lanes = {
  load: (pointer: Int) => Vector;
  store: (pointer: Int, value: Vector) => void;
  /** sum.total grows by the value. */
  add: (sum: Sum, value: Vector) => void;
};
type Sum = { vectors: Local<'v128'>; rest: Local<'v128'> };

/** Runs over `bytes` of floats at all pointers together, and leaves the pointers at their ends. */
function forEach(body: Body, pointers: readonly Pointer[], bytes: Int, each: (lanes: Lanes) => void): void {
  const [first] = pointers as [Pointer];
  const end = body.variable(i32.add(first, bytes));
  const vectorEnd = body.variable(i32.add(first, i32.and(bytes, i32.const(-VECTOR_BYTES))));
  const pass = (until: Int, step: number, lanes: Lanes) =>
    body.while(i32.lessThan(first, until), () => {
      each(lanes);
      for (const pointer of pointers) body.advance(pointer, step);
    });
  pass(vectorEnd, VECTOR_BYTES, {
    load: (pointer) => f32x4.load(pointer),
    store: (pointer, value) => body.store(pointer, value),
    add: ({ vectors }, value) => body.set(vectors, f32x4.add(vectors, value)),
  });
  pass(end, FLOAT_BYTES, {
    load: (pointer) => f32x4.loadSplat(pointer),
    store: (pointer, value) => body.storeFirst(pointer, value),
    add: ({ rest }, value) => body.set(rest, f32x4.add(rest, value)),
  });
}

/** Sum of each(lanes) over a row, in all lanes; the pointers go back to where they were. */
function rowSum(
  body: Body,
  pointers: readonly Pointer[],
  bytes: Int,
  each: (lanes: Lanes) => Vector,
): Local<'v128'> {
  const sum = { vectors: body.variable(f32x4.const(0)), rest: body.variable(f32x4.const(0)) };
  forEach(body, pointers, bytes, (lanes) => lanes.add(sum, each(lanes)));
  for (const pointer of pointers) body.set(pointer, i32.sub(pointer, bytes));
  const { vectors, rest } = sum;
  const pair = (a: number, b: number) => f32.add(f32x4.lane(vectors, a), f32x4.lane(vectors, b));
  return body.variable(f32x4.splat(f32.add(f32.add(pair(0, 1), pair(2, 3)), f32x4.lane(rest, 0))));
}

/** Runs `each` for every row. */
function forRows(body: Body, rows: Int, each: () => void): void {
  const left = body.variable(rows);
  body.while(left, () => {
    each();
    body.advance(left, -1);
  });
}

/** Division by the width as a product with its reciprocal would round twice. */
function mean(width: Int): (sum: Vector) => Vector {
  const divisor = f32x4.splat(f32.convert(width));
  return (sum) => f32x4.div(sum, divisor);
}

/**
 * e^x in float32 to 2 units in the last place; 0 below -87, where it would no longer be a normal number.
 * @see Cephes expf: x = n ln 2 + r, e^r by a polynomial of degree 7
 */
function exp(body: Body, x: Vector): Vector {
  const given = body.variable(x);
  const bounded = body.variable(f32x4.min(f32x4.max(given, f32x4.const(-87)), f32x4.const(88)));
  const n = body.variable(f32x4.nearest(f32x4.mul(bounded, f32x4.const(Math.LOG2E))));
  // ln 2 in two parts, the first of which n multiplies exactly
  body.set(bounded, f32x4.sub(bounded, f32x4.mul(n, f32x4.const(0.693359375))));
  body.set(bounded, f32x4.sub(bounded, f32x4.mul(n, f32x4.const(-2.1219444e-4))));
  const power = polynomial(
    bounded,
    [
      1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1, 1,
      1,
    ],
  );
  const normal = f32x4.lessThan(f32x4.const(-87), given);
  return body.variable(f32x4.and(f32x4.mul(power, f32x4.exponent(n)), normal));
}

/** Horner's rule; the coefficient of the highest power first. */
function polynomial(x: Vector, [highest, ...rest]: readonly number[]): Vector {
  return rest.reduce<Vector>((sum, c) => f32x4.add(f32x4.mul(sum, x), f32x4.const(c)), f32x4.const(highest!));
}

const layerNorm = define(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'f32'],
  (body, x, gain, bias, y, normalized, inverseStd, rows, width, epsilon) => {
    const bytes = body.variable(i32.mul(width, i32.const(FLOAT_BYTES)));
    const ofMean = mean(width);
    forRows(body, rows, () => {
      const center = body.variable(ofMean(rowSum(body, [x], bytes, ({ load }) => load(x))));
      const variance = rowSum(body, [x], bytes, ({ load }) => {
        const centered = body.variable(f32x4.sub(load(x), center));
        return f32x4.mul(centered, centered);
      });
      const deviation = f32.sqrt(f32.add(f32x4.lane(ofMean(variance), 0), epsilon));
      const inverse = body.variable(f32.div(f32.const(1), deviation));
      body.store(inverseStd, inverse);
      body.advance(inverseStd, FLOAT_BYTES);
      forEach(body, [x, gain, bias, y, normalized], bytes, ({ load, store }) => {
        const unit = body.variable(f32x4.mul(f32x4.sub(load(x), center), f32x4.splat(inverse)));
        store(normalized, unit);
        store(y, f32x4.add(f32x4.mul(unit, load(gain)), load(bias)));
      });
      for (const parameter of [gain, bias]) body.set(parameter, i32.sub(parameter, bytes));
    });
  },
);

/** dx = (g - mean(g) - n mean(g n)) / std, with g = dy gain and n the normalised input. */
const layerNormBackward = define(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  (body, dy, gain, normalized, inverseStd, dx, rows, width) => {
    const bytes = body.variable(i32.mul(width, i32.const(FLOAT_BYTES)));
    const ofMean = mean(width);
    forRows(body, rows, () => {
      const inputs = [dy, gain, normalized];
      const scaled = ({ load }: Lanes) => f32x4.mul(load(dy), load(gain));
      const shift = body.variable(ofMean(rowSum(body, inputs, bytes, scaled)));
      const slope = body.variable(
        ofMean(rowSum(body, inputs, bytes, (lanes) => f32x4.mul(scaled(lanes), lanes.load(normalized)))),
      );
      forEach(body, [...inputs, dx], bytes, (lanes) => {
        const projected = f32x4.mul(lanes.load(normalized), slope);
        const centered = f32x4.sub(f32x4.sub(scaled(lanes), shift), projected);
        lanes.store(dx, f32x4.mul(centered, f32x4.loadSplat(inverseStd)));
      });
      body.set(gain, i32.sub(gain, bytes));
      body.advance(inverseStd, FLOAT_BYTES);
    });
  },
);

/** In place over rows of scores: softmax(scale score + bias), the same row of biases for all. */
const softmax = define(['i32', 'i32', 'i32', 'i32', 'f32'], (body, scores, bias, rows, width, scale) => {
  const bytes = body.variable(i32.mul(width, i32.const(FLOAT_BYTES)));
  const factor = body.variable(f32x4.splat(scale));
  const lowest = f32x4.const(-Infinity);
  forRows(body, rows, () => {
    const top = body.variable(lowest);
    forEach(body, [scores, bias], bytes, ({ load, store }) => {
      const score = body.variable(f32x4.add(f32x4.mul(load(scores), factor), load(bias)));
      // The last ones fill all lanes, so that lanes of nothing cannot be the largest
      body.set(top, f32x4.max(top, score));
      store(scores, score);
    });
    body.set(scores, i32.sub(scores, bytes));
    body.set(bias, i32.sub(bias, bytes));
    const lanes = [0, 1, 2, 3].map((lane) => f32x4.lane(top, lane));
    const largest = body.variable(f32x4.splat(lanes.reduce((a, b) => f32.max(a, b))));
    const total = rowSum(body, [scores], bytes, ({ load, store }) => {
      const power = exp(body, f32x4.sub(load(scores), largest));
      store(scores, power);
      return power;
    });
    forEach(body, [scores], bytes, ({ load, store }) => store(scores, f32x4.div(load(scores), total)));
  });
});

/** In place over rows of dProbabilities: p (dp - sum(dp p)) scale. */
const softmaxBackward = define(
  ['i32', 'i32', 'i32', 'i32', 'f32'],
  (body, gradients, probabilities, rows, width, scale) => {
    const bytes = body.variable(i32.mul(width, i32.const(FLOAT_BYTES)));
    const pointers = [gradients, probabilities];
    forRows(body, rows, () => {
      const total = rowSum(body, pointers, bytes, ({ load }) =>
        f32x4.mul(load(gradients), load(probabilities)),
      );
      forEach(body, pointers, bytes, ({ load, store }) => {
        const centered = f32x4.mul(f32x4.sub(load(gradients), total), load(probabilities));
        store(gradients, f32x4.mul(centered, f32x4.splat(scale)));
      });
    });
  },
);

/** y = x Phi(x) and its derivative Phi(x) + x phi(x); one exponential is both the tail's and the density's. */
const gelu = define(['i32', 'i32', 'i32', 'i32'], (body, x, y, derivative, bytes) => {
  forEach(body, [x, y, derivative], bytes, ({ load, store }) => {
    const value = body.variable(load(x));
    const power = exp(body, f32x4.mul(f32x4.mul(value, value), f32x4.const(-0.5))); // e^(-x²/2)
    // Abramowitz and Stegun 7.1.26: erfc(z) = polynomial(1 / (1 + pz)) e^(-z²), here with z = |x| / sqrt(2)
    const one = f32x4.const(1);
    const z = f32x4.mul(f32x4.abs(value), f32x4.const(Math.SQRT1_2));
    const t = body.variable(f32x4.div(one, f32x4.add(f32x4.mul(z, f32x4.const(0.3275911)), one)));
    const half = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0].map((c) => c / 2);
    const tail = body.variable(f32x4.mul(polynomial(t, half), power)); // 1 - Phi(|x|)
    const negative = f32x4.lessThan(value, f32x4.const(0));
    const cdf = body.variable(f32x4.select(negative, tail, f32x4.sub(one, tail)));
    store(y, f32x4.mul(value, cdf));
    const density = f32x4.mul(power, f32x4.const(1 / Math.sqrt(2 * Math.PI)));
    store(derivative, f32x4.add(cdf, f32x4.mul(value, density)));
  });
});

/** y = x s with s = (1 + tanh u) / 2 = 1 / (1 + e^(-2u)), u = c (x + k x³), and its derivative s + 2 x s (1 - s) u'. */
const geluTanh = define(['i32', 'i32', 'i32', 'i32'], (body, x, y, derivative, bytes) => {
  const c = Math.sqrt(2 / Math.PI);
  const k = 0.044715;
  forEach(body, [x, y, derivative], bytes, ({ load, store }) => {
    const one = f32x4.const(1);
    const value = body.variable(load(x));
    const squared = body.variable(f32x4.mul(value, value));
    const exponent = f32x4.mul(value, polynomial(squared, [-2 * c * k, -2 * c]));
    const s = body.variable(f32x4.div(one, f32x4.add(one, exp(body, exponent))));
    store(y, f32x4.mul(value, s));
    const slope = f32x4.mul(value, polynomial(squared, [6 * c * k, 2 * c]));
    store(derivative, f32x4.add(s, f32x4.mul(slope, f32x4.mul(s, f32x4.sub(one, s)))));
  });
});

/** Sum over rows of factor times row; rows of factor 0 are left out, whatever they hold. */
function sumOfRows(each: (product: Vector) => Vector): Definition {
  return define(['i32', 'i32', 'i32', 'i32', 'i32'], (body, values, factors, sum, rows, width) => {
    const bytes = body.variable(i32.mul(width, i32.const(FLOAT_BYTES)));
    const row = body.variable(values);
    const factor = body.variable(factors);
    const end = body.variable(i32.add(factors, i32.mul(rows, i32.const(FLOAT_BYTES))));
    const total = body.variable(f32x4.const(0));
    forEach(body, [sum, values], bytes, ({ load, store }) => {
      body.set(row, values);
      body.set(factor, factors);
      body.set(total, f32x4.const(0));
      body.while(i32.lessThan(factor, end), () => {
        body.when(f32.notEqual(f32.load(factor), f32.const(0)), () => {
          body.set(total, f32x4.add(total, each(f32x4.mul(load(row), f32x4.loadSplat(factor)))));
        });
        body.advance(row, bytes);
        body.advance(factor, FLOAT_BYTES);
      });
      store(sum, total);
    });
  });
}

export const rowKernels = {
  layerNorm,
  layerNormBackward,
  softmax,
  softmaxBackward,
  gelu,
  geluTanh,
  weightedSum: sumOfRows((product) => product),
  truncatedSum: sumOfRows(f32x4.trunc),
} satisfies Record<string, Definition>;
