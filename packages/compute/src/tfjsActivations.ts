import * as tf from '@tensorflow/tfjs-core';
import type { Activation, Tensor } from './ops.ts';

/** An activation in tfjs operations: what `forward` saves is what makes `backward` cheapest. */
type TfjsActivation = {
  forward(x: Tensor): { y: Tensor; saved: Tensor };
  backward(dy: Tensor, saved: Tensor): Tensor;
};

const INVERSE_SQRT_2PI = 1 / Math.sqrt(2 * Math.PI);
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** GELU saves its derivative: as large as x, and the error function is not evaluated twice. */
export const ACTIVATIONS: Record<Activation, TfjsActivation> = {
  gelu: {
    forward(x) {
      const cdf = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), INVERSE_SQRT_2PI);
      return { y: tf.mul(x, cdf), saved: tf.add(cdf, tf.mul(x, density)) };
    },
    backward: (dy, derivative) => tf.mul(dy, derivative),
  },
  'gelu-tanh': {
    forward(x) {
      // With u = c (x + k x^3): y = x (1 + tanh u) / 2, y' = (1 + tanh u) / 2 + x (1 - tanh² u) / 2 · c (1 + 3k x^2)
      const squared = tf.square(x);
      const t = tf.tanh(tf.mul(x, tf.add(tf.mul(squared, SQRT_2_OVER_PI * CUBIC), SQRT_2_OVER_PI)));
      const half = tf.mul(tf.add(t, 1), 0.5);
      const slope = tf.add(tf.mul(squared, 1.5 * SQRT_2_OVER_PI * CUBIC), 0.5 * SQRT_2_OVER_PI);
      const bend = tf.mul(tf.mul(x, slope), tf.sub(1, tf.square(t)));
      return { y: tf.mul(x, half), saved: tf.add(half, bend) };
    },
    backward: (dy, derivative) => tf.mul(dy, derivative),
  },
  relu: {
    forward: withSavedOutput((x) => tf.relu(x)),
    backward: (dy, y) => tf.mul(dy, tf.step(y)),
  },
  tanh: {
    forward: withSavedOutput((x) => tf.tanh(x)),
    backward: (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y))),
  },
};

/** The output itself is saved: a second handle to the same memory, so that the caller may dispose either. */
function withSavedOutput(activation: (x: Tensor) => Tensor): TfjsActivation['forward'] {
  return (x) => {
    const y = activation(x);
    return { y, saved: tf.clone(y) };
  };
}
