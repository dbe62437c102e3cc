import type { Ops, Tensor } from '@chorale/compute';
import type { LinearAdapter } from '@chorale/model';
import type { AdapterLayout } from './adapterLayout.ts';
import type { Basis } from './basis.ts';

/** The frozen half of an adapter on a device: A of every module, and the head when it is frozen. */
export type FrozenAdapter = { basis: Tensor[]; frozenHead: Tensor | null };

/** Uploads what never changes during a run. */
export function uploadFrozenAdapter(
  ops: Ops,
  layout: AdapterLayout,
  basis: Basis,
  initialHead: Float32Array,
): FrozenAdapter {
  return {
    basis: layout.modules.map(({ inDim }, i) => ops.tensor(basis[i]!, [inDim, layout.rank])),
    frozenHead: layout.head.trained ? null : ops.tensor(initialHead, [layout.head.rows, layout.head.columns]),
  };
}

export function disposeFrozenAdapter(ops: Ops, frozen: FrozenAdapter): void {
  ops.dispose(frozen);
}

/**
 * Views the flat trained parameters as adapters of the encoder and the head's weight. Call inside `ops.scope`.
 * @param parameters [parameterCount]
 */
export function adaptersOf(
  ops: Ops,
  layout: AdapterLayout,
  frozen: FrozenAdapter,
  parameters: Float32Array,
): { adapters: Map<string, LinearAdapter>; headWeight: Tensor } {
  const flat = ops.tensor(parameters, [layout.parameterCount]);
  const adapters = new Map<string, LinearAdapter>();
  layout.modules.forEach(({ name, offset, outDim }, i) => {
    const b = ops.matrixAt(flat, offset, layout.rank, outDim);
    adapters.set(name, { a: frozen.basis[i]!, b, scaling: layout.scaling });
  });
  const { head } = layout;
  return {
    adapters,
    headWeight: frozen.frozenHead ?? ops.matrixAt(flat, head.offset, head.rows, head.columns),
  };
}
