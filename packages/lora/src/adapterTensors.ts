import type { Ops, Tensor } from '@chorale/compute';
import type { LinearAdapter } from '@chorale/model';
import type { AdapterLayout } from './adapterLayout.ts';
import type { Basis } from './basis.ts';
import type { HeadValues } from './parameters.ts';

/** The classifier on a device: weight [hiddenSize, classCount], bias [classCount]. */
export type HeadTensors = { weight: Tensor; bias: Tensor };

/** What of an adapter never changes during a run, on a device: A where it is not trained, the head where it is not. */
export type FrozenAdapter = { basis: Tensor[]; head: HeadTensors | null };

/**
 * Uploads what never changes during a run.
 * @param basis used where the strategy does not train A
 * @param initialHead used when the head is frozen
 */
export function uploadFrozenAdapter(
  ops: Ops,
  layout: AdapterLayout,
  basis: Basis,
  initialHead: HeadValues,
): FrozenAdapter {
  const { rows, columns, trained } = layout.head;
  return {
    basis: layout.modules.flatMap(({ inDim, aOffset }, i) =>
      aOffset === null ? [ops.tensor(basis[i]!, [inDim, layout.rank])] : [],
    ),
    head: trained
      ? null
      : {
          weight: ops.tensor(initialHead.weight, [rows, columns]),
          bias: ops.tensor(initialHead.bias, [columns]),
        },
  };
}

export function disposeFrozenAdapter(ops: Ops, frozen: FrozenAdapter): void {
  ops.dispose(frozen);
}

/**
 * Views the flat parameters as adapters of the encoder and the head. Call inside `ops.scope`.
 * @param parameters [parameterCount]
 */
export function adaptersOf(
  ops: Ops,
  layout: AdapterLayout,
  frozen: FrozenAdapter,
  parameters: Float32Array,
): { adapters: Map<string, LinearAdapter>; head: HeadTensors } {
  const { rank, scaling } = layout;
  const flat = ops.tensor(parameters, [layout.parameterCount]);
  const adapters = new Map<string, LinearAdapter>();
  layout.modules.forEach(({ name, offset, aOffset, inDim, outDim }, i) => {
    const a = aOffset === null ? frozen.basis[i]! : ops.matrixAt(flat, aOffset, inDim, rank);
    adapters.set(name, { a, b: ops.matrixAt(flat, offset, rank, outDim), scaling });
  });
  const { rows, columns, offset, biasOffset } = layout.head;
  const head = frozen.head ?? {
    weight: ops.matrixAt(flat, offset, rows, columns),
    bias: ops.tensor(parameters.slice(biasOffset, biasOffset + columns), [columns]),
  };
  return { adapters, head };
}
