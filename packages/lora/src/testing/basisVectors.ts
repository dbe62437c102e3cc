import { expect } from 'vitest';
import type { AdapterConfig, AdapterLayout } from '../adapterLayout.ts';
import { deriveBasis } from '../basis.ts';
import { BasisStream } from '../basisStream.ts';
import { initialHead } from '../parameters.ts';

/** A test vector of `docs/basis.md`. */
export type BasisVector = {
  kind: AdapterConfig['basis'] | 'head';
  seed: number;
  inDim: number;
  outDim?: number;
  rank?: number;
  first: number[];
  sha256: string;
};

/** The test vectors of the page. */
export function vectorsOf(page: string): BasisVector[] {
  const [, json] = /```json\n([^]*?)```/.exec(page) ?? [];
  const vectors = JSON.parse(json!) as BasisVector[];
  expect(new Set(vectors.map(({ kind }) => kind))).toEqual(
    new Set(['kaiming', 'orthonormal', 'svd', 'head']),
  );
  return vectors;
}

/** Derives a vector anew: its first elements, and the SHA-256 of all of its bits. */
export async function digestOf({
  kind,
  seed,
  inDim,
  outDim = 1,
  rank = 1,
  first,
}: BasisVector): Promise<Pick<BasisVector, 'first' | 'sha256'>> {
  const weights = new BasisStream(seed, 'weight');
  const weight = () => Float32Array.from({ length: inDim * outDim }, () => 0.02 * weights.bell());
  const layout: AdapterLayout = {
    strategy: 'ffa-lora',
    rank,
    scaling: 1,
    modules: [
      { name: 'm', layer: 0, module: 'attention.self.query', inDim, outDim, offset: 0, aOffset: null },
    ],
    head: { rows: inDim, columns: outDim, trained: true, offset: 0, biasOffset: 0 },
    parameterCount: 1,
    trainedRanges: [],
  };
  const values =
    kind === 'head'
      ? initialHead(layout, { seed }, { classifier: null, labels: [] }).weight
      : deriveBasis(layout, { basis: kind, seed }, weight)[0]!;
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.from(new Uint8Array(values.buffer)));
  return {
    first: [...values.subarray(0, first.length)],
    sha256: Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join(''),
  };
}
