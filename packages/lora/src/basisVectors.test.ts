import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { digestOf, vectorsOf } from './testing/basisVectors.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/basis.md'), 'utf8');

/** The vectors were derived once more by a program of its own, in another language, from nothing but the page. */
describe('docs/basis.md', () => {
  test.each(vectorsOf(page))('$kind, seed $seed, inDim $inDim, rank $rank', async (vector) => {
    await expect(digestOf(vector)).resolves.toEqual({
      first: vector.first.map(Math.fround),
      sha256: vector.sha256,
    });
  });
});
