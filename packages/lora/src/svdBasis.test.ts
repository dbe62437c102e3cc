import { frozenWeight, readCheckpoint } from '@chorale/model';
import { readTinyEncoder } from '@chorale/model/testing/tinyEncoder';
import { expectClose } from '@chorale/testing/tolerance';
import { describe, expect, test } from 'vitest';
import { BasisStream } from './basisStream.ts';
import { svdBasis } from './svdBasis.ts';
import { symmetricEigen } from './symmetricEigen.ts';

/**
 * Left singular vectors of [inDim, outDim] weights of the embedded encoder by LAPACK (numpy 1.26, float64), rows 0, 1, 60
 * and 127 of the first eight, with the sign of svdBasis.
 */
const LAPACK = [
  {
    name: 'encoder.layer.0.attention.self.query',
    shape: { inDim: 128, outDim: 128 },
    singularValues: [2.6196935, 2.5127068, 2.4689806, 2.1202757, 1.9282162, 1.8028902, 1.7205955, 1.6506328],
    rows: [
      [0.0388683, -0.130107, 0.0264352, -0.0396434, 0.0862909, 0.0539736, -0.1058597, -0.1508881],
      [0.1636161, -0.009537, 0.0122919, 0.1656072, -0.2033879, -0.0098365, 0.2506825, -0.0375794],
      [-0.0484122, -0.0971781, -0.0231028, 0.076567, -0.0367771, 0.1102343, 0.0101748, -0.0770208],
      [0.0845752, -0.0816984, 0.0193417, 0.0556654, 0.1944362, 0.0118488, 0.1764784, -0.0970702],
    ],
    tolerance: 1e-6,
  },
  {
    name: 'encoder.layer.1.output.dense',
    shape: { inDim: 512, outDim: 128 },
    singularValues: [3.0057134, 2.6837417, 2.3942246, 2.2922876, 2.1599764, 2.0925814, 2.0625925, 1.9883785],
    rows: [
      [-0.0251766, -0.0481551, 0.0269757, -0.0319174, 0.0862763, 0.1222788, -0.0171141, -0.0115753],
      [-0.0267731, 0.033871, 0.0035139, -0.0351725, 0.0338381, 0.0273027, -0.0739441, -0.0312373],
      [-0.0384551, -0.026957, 0.0400086, 0.0424538, 0.0482548, 0.0508221, 0.0498551, -0.0269179],
      [-0.013837, -0.0345379, -0.0191632, -0.0154311, -0.0381519, -0.0590441, -0.0364305, -0.0409608],
    ],
    // Singular values 8 and 24 are closer: 1.99 and 1.54
    tolerance: 1e-4,
  },
];

describe.each(LAPACK)('of $name', ({ name, shape, singularValues, rows, tolerance }) => {
  test('the first eight directions are those of LAPACK, largest first, and so is what the weight makes of them', async () => {
    const weight = frozenWeight(readCheckpoint(await readTinyEncoder()), name);
    const a = svdBasis(weight, { ...shape, rank: 8 }, new BasisStream(3, 'svd'));
    for (const [i, row] of [0, 1, 60, 127].entries()) {
      expectClose(a.subarray(8 * row, 8 * row + 8), rows[i]!, tolerance, `row ${row}`);
    }
    // ‖uᵀ W‖ is the singular value of u
    const lengths = singularValues.map((_, c) => {
      const image = new Float64Array(shape.outDim);
      for (let i = 0; i < shape.inDim; i++) {
        for (let o = 0; o < shape.outDim; o++) image[o]! += a[i * 8 + c]! * weight[i * shape.outDim + o]!;
      }
      return Math.hypot(...image);
    });
    expectClose(lengths, singularValues, 1e-6, 'singular values');
  });
});

function expectOrthonormal(a: Float32Array, inDim: number, rank: number): void {
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j <= i; j++) {
      let dot = 0;
      for (let row = 0; row < inDim; row++) dot += a[row * rank + i]! * a[row * rank + j]!;
      expect(Math.abs(dot - (i === j ? 1 : 0))).toBeLessThan(1e-6);
    }
  }
}

describe('a weight without enough directions', () => {
  test.each([
    ['of zeros', () => 0],
    ['of rank one', (i: number, o: number) => (i + 1) * (o - 2)],
    ['of tiny numbers', (i: number, o: number) => 1e-38 * Math.cos(i * o)],
  ])('%s still gives orthonormal columns', (_, entry) => {
    const weight = Float32Array.from({ length: 12 * 5 }, (__, at) => entry(Math.floor(at / 5), at % 5));
    const a = svdBasis(weight, { inDim: 12, outDim: 5, rank: 7 }, new BasisStream(1, 'svd'));
    expectOrthonormal(a, 12, 7);
  });

  test('the one direction there is comes first', () => {
    const weight = Float32Array.from(
      { length: 12 * 5 },
      (_, at) => (Math.floor(at / 5) + 1) * ((at % 5) - 2),
    );
    const a = svdBasis(weight, { inDim: 12, outDim: 5, rank: 2 }, new BasisStream(1, 'svd'));
    const length = Math.hypot(...Array.from({ length: 12 }, (_, i) => i + 1));
    expectClose(
      Array.from({ length: 12 }, (_, i) => a[2 * i]!),
      Array.from({ length: 12 }, (_, i) => (i + 1) / length),
      1e-6,
    );
  });
});

test('a weight with a number that is not finite is refused', () => {
  const weight = new Float32Array(12).fill(1).fill(Number.NaN, 7, 8);
  expect(() => svdBasis(weight, { inDim: 4, outDim: 3, rank: 2 }, new BasisStream(1, 'svd'))).toThrow(
    RangeError,
  );
});

test('the largest element of each column is positive', () => {
  const stream = new BasisStream(9, 'weight');
  const weight = Float32Array.from({ length: 40 * 40 }, () => stream.bell());
  const a = svdBasis(weight, { inDim: 40, outDim: 40, rank: 6 }, new BasisStream(1, 'svd'));
  expectOrthonormal(a, 40, 6);
  for (let c = 0; c < 6; c++) {
    const column = Array.from({ length: 40 }, (_, i) => a[6 * i + c]!);
    expect(Math.max(...column)).toBe(Math.max(...column.map(Math.abs)));
  }
});

test('eigenvectors of a symmetric matrix', () => {
  // Eigenvalues 1, 2, 4 with eigenvectors (1,−1,1)/√3, (1,0,−1)/√2, (1,2,1)/√6
  const matrix = Float64Array.of(2, 1, 0, 1, 3, 1, 0, 1, 2);
  const vectors = symmetricEigen(matrix, 3);
  const pairs = [0, 1, 2].map((c) => ({
    value: matrix[4 * c]!,
    vector: [0, 1, 2].map((row) => Math.abs(vectors[3 * row + c]!)),
  }));
  pairs.sort((x, y) => x.value - y.value);
  expectClose(
    pairs.map(({ value }) => value),
    [1, 2, 4],
    1e-14,
  );
  const [s2, s3, s6] = [2, 3, 6].map((square) => 1 / Math.sqrt(square)) as [number, number, number];
  expectClose(
    pairs.flatMap(({ vector }) => vector),
    [s3, s3, s3, s2, 0, s2, s6, 2 * s6, s6],
    1e-14,
  );
});
