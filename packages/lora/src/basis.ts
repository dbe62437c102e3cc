import type { AdapterConfig, AdapterLayout } from './adapterLayout.ts';
import { BasisStream } from './basisStream.ts';
import { bellColumn, makeOrthonormal } from './orthonormalColumns.ts';
import { svdBasis } from './svdBasis.ts';

/** A of every adapted module before the first round, in layout order; A is [inDim, rank], row-major. */
export type Basis = Float32Array[];

/**
 * Derives A of every module. Server and tabs each do it, and `docs/basis.md` says how; where the strategy does not train
 * A it never crosses the wire.
 * - `kaiming`: entries uniform in ±1/sqrt(inDim), PEFT's start (Kaiming uniform with a = sqrt 5).
 * - `orthonormal`: columns of nearly normal entries made orthonormal.
 * - `svd`: the directions of the input that the frozen weight amplifies most.
 * @param frozenWeight the weight [inDim, outDim] of a module by its name, row-major; asked for `svd` only
 */
export function deriveBasis(
  layout: AdapterLayout,
  { basis, seed }: Pick<AdapterConfig, 'basis' | 'seed'>,
  frozenWeight: (module: string) => Float32Array,
): Basis {
  const stream = new BasisStream(seed, basis);
  const { rank } = layout;
  return layout.modules.map(({ name, inDim, outDim }) => {
    switch (basis) {
      case 'kaiming':
        return kaiming(stream, inDim, rank);
      case 'orthonormal':
        return orthonormal(stream, inDim, rank);
      case 'svd':
        return svdBasis(frozenWeight(name), { inDim, outDim, rank }, stream);
      default:
        return basis satisfies never;
    }
  });
}

/** The bytes whose SHA-256 is the basis hash: all A in layout order as little-endian float32. */
export function basisBytes(basis: Basis): Uint8Array {
  const bytes = new Uint8Array(basis.reduce((sum, a) => sum + 4 * a.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const a of basis) {
    for (const value of a) {
      view.setFloat32(at, value, true);
      at += 4;
    }
  }
  return bytes;
}

function kaiming(stream: BasisStream, inDim: number, rank: number): Float32Array {
  const bound = 1 / Math.sqrt(inDim);
  return Float32Array.from({ length: inDim * rank }, () => (2 * stream.uniform() - 1) * bound);
}

function orthonormal(stream: BasisStream, inDim: number, rank: number): Float32Array {
  const columns = Array.from({ length: rank }, () => bellColumn(stream, inDim));
  makeOrthonormal(columns, stream);
  const a = new Float32Array(inDim * rank);
  columns.forEach((column, c) => column.forEach((value, row) => (a[row * rank + c] = value)));
  return a;
}
