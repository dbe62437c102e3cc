import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import { BasisStream } from './basisStream.ts';

/** Standard deviation of a fresh head weight, as Hugging Face's initializer_range. */
const HEAD_STD = 0.02;

/**
 * The head's weight before training, the same for everybody.
 * @returns [hiddenSize, classCount], row-major
 */
export function initialHead(layout: AdapterLayout, { seed }: Pick<AdapterConfig, 'seed'>): Float32Array {
  const stream = new BasisStream(seed, 'head');
  return Float32Array.from(
    { length: layout.head.rows * layout.head.columns },
    () => stream.bell() * HEAD_STD,
  );
}

/**
 * All trained parameters before the first round: B = 0 everywhere, so that the model starts as the frozen one; the
 * head, if trained, from its public start.
 * @returns [parameterCount]
 */
export function initialParameters(layout: AdapterLayout, adapter: Pick<AdapterConfig, 'seed'>): Float32Array {
  const parameters = new Float32Array(layout.parameterCount);
  if (layout.head.trained) parameters.set(initialHead(layout, adapter), layout.head.offset);
  return parameters;
}
