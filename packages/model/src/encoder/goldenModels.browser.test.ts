import { BACKEND_ORDER, openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../checkpoint.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { MODEL_FILE_NAMES } from '../files/modelFiles.ts';
import type { GoldenName } from '../testing/golden.ts';
import { GOLDEN_MODELS, GOLDEN_WITH_GRADIENTS, readGolden } from '../testing/golden.ts';
import { checkForward, checkGradients, checkTinyEncoder } from '../testing/goldenChecks.ts';
import { readSafetensors } from '../weights/safetensors.ts';

async function fetchBytes(path: string): Promise<Uint8Array> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

const read = (path: string) => fetchBytes(`/packages/model/src/testing/golden/${path}`);

// All on one page: tfjs has one backend at a time, so the order of tests is the order of backends.
for (const backend of BACKEND_ORDER) {
  describe(`golden models on ${backend}`, () => {
    test.each(Object.keys(GOLDEN_MODELS) as GoldenName[])('%s: forward', async (name) => {
      const { ops, guard } = await openCompute(backend, { wasmUrls });
      const golden = await readGolden(name, read);
      const worst = await guard(() => checkForward(ops, golden));
      console.info(`${backend}, ${name}: largest difference from float64 ${worst.toExponential(2)}`);
      expect(worst).toBeGreaterThan(0);
    });

    test('the embedded tiny encoder', async () => {
      const { ops, guard } = await openCompute(backend, { wasmUrls });
      const files: ModelFiles = new Map();
      for (const name of MODEL_FILE_NAMES)
        files.set(name, await fetchBytes(`/assets/models/tiny-encoder/${name}`));
      const expected = readSafetensors(await read('tiny-encoder.safetensors'));
      const worst = await guard(() => checkTinyEncoder(ops, readCheckpoint(files), expected));
      console.info(`${backend}, tiny encoder: largest difference ${worst.toExponential(2)}`);
      expect(worst).toBeGreaterThan(0);
    });

    test.each(GOLDEN_WITH_GRADIENTS)('%s: gradients', async (name) => {
      const { ops, guard } = await openCompute(backend, { wasmUrls });
      const golden = await readGolden(name, read);
      const worst = await guard(() => checkGradients(ops, golden, { a: true, b: true }));
      console.info(`${backend}, ${name}: largest difference of gradients ${worst.toExponential(2)}`);
      expect(worst).toBeGreaterThan(0);
    });
  });
}
