import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { openCompute } from '@chorale/compute';
import { describe, expect, test } from 'vitest';
import type { GoldenName } from '../testing/golden.ts';
import { GOLDEN_MODELS, GOLDEN_WITH_GRADIENTS, readGolden } from '../testing/golden.ts';
import { readCheckpoint } from '../checkpoint.ts';
import { checkForward, checkGradients, checkTinyEncoder } from '../testing/goldenChecks.ts';
import { readTinyEncoder } from '../testing/tinyEncoder.ts';
import { readSafetensors } from '../weights/safetensors.ts';

const read = async (path: string) =>
  new Uint8Array(await readFile(resolve(import.meta.dirname, '../testing/golden', path)));

describe.each(['cpu', 'wasm'] as const)('on %s', (backend) => {
  test.each(Object.keys(GOLDEN_MODELS) as GoldenName[])(
    '%s: hidden states, pooled and logits',
    async (name) => {
      const { ops } = await openCompute(backend);
      const liveBefore = ops.liveTensors();
      const worst = await checkForward(ops, await readGolden(name, read));
      console.info(`${backend}, ${name}: largest difference from float64 ${worst.toExponential(2)}`);
      expect(ops.liveTensors()).toBe(liveBefore);
    },
  );

  test('the embedded tiny encoder: hidden states of a text and a pair', async () => {
    const { ops } = await openCompute(backend);
    const liveBefore = ops.liveTensors();
    const expected = readSafetensors(await read('tiny-encoder.safetensors'));
    const worst = await checkTinyEncoder(ops, readCheckpoint(await readTinyEncoder()), expected);
    console.info(`${backend}, tiny encoder: largest difference ${worst.toExponential(2)}`);
    expect(ops.liveTensors()).toBe(liveBefore);
  });

  test.each(GOLDEN_WITH_GRADIENTS)('%s: gradients of A, B and the head, example by example', async (name) => {
    const { ops } = await openCompute(backend);
    const golden = await readGolden(name, read);
    const liveBefore = ops.liveTensors();
    const worst = await checkGradients(ops, golden, { a: true, b: true });
    console.info(`${backend}, ${name}: largest difference of gradients ${worst.toExponential(2)}`);
    for (const factors of [
      { a: false, b: true },
      { a: true, b: false },
      { a: false, b: false },
    ]) {
      await checkGradients(ops, golden, factors);
    }
    expect(ops.liveTensors()).toBe(liveBefore);
  });
});
