import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Ops } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import { randomValues } from '@chorale/testing/randomValues';
import { expectClose } from '@chorale/testing/tolerance';
import { expect, test } from 'vitest';
import type { Golden } from '../testing/golden.ts';
import { goldenBatches, readGolden } from '../testing/golden.ts';
import { goldenAdapters } from '../testing/goldenChecks.ts';
import type { AdapterFactors, Adapters } from './adapters.ts';
import { disposeEncoder, uploadEncoder } from './encoder.ts';
import { encoderBackward } from './encoderBackward.ts';
import { encoderForward } from './encoderForward.ts';

const read = async (path: string) =>
  new Uint8Array(await readFile(resolve(import.meta.dirname, '../testing/golden', path)));

/** Gradients by `module.factor` for a fixed gradient of the hidden state. */
async function gradientsOf(
  ops: Ops,
  golden: Golden,
  adapters: Adapters,
  factors: AdapterFactors,
): Promise<Map<string, Float32Array>> {
  const encoder = uploadEncoder(ops, golden.checkpoint);
  const { batch } = goldenBatches(golden).at(-1)!;
  const names: string[] = [];
  const tensors = ops.scope(() => {
    const { hidden, saved } = encoderForward(ops, encoder, adapters, batch, { save: true, factors });
    const dHidden = ops.tensor(randomValues(hidden.size, 5), hidden.shape);
    const gradients: (typeof hidden)[] = [];
    encoderBackward(ops, encoder, adapters, saved!, dHidden, {
      factors,
      onGradient(module, factor, gradient) {
        names.push(`${module}.${factor}`);
        gradients.push(gradient);
      },
    });
    return gradients;
  });
  const result = new Map<string, Float32Array>();
  for (const [i, name] of names.entries()) result.set(name, await ops.read(tensors[i]!));
  ops.dispose(tensors);
  disposeEncoder(ops, encoder);
  return result;
}

// Adapters that add nothing (B = 0) compute the same function as none, through the code path that is checked elsewhere
test.each<[string, RegExp]>([
  ['query and value', /query|value/],
  ['the upper layer', /layer\.1/],
  ['one module in the middle of the lower layer', /layer\.0\.intermediate/],
  ['keys of both layers', /key/],
  ['the attention output of the upper layer', /layer\.1\.attention\.output/],
])('adapters on %s only: the same gradients as beside adapters that add nothing', async (_, pattern) => {
  const { ops } = await openCompute('cpu');
  const golden = await readGolden('bert', read);
  const liveBefore = ops.liveTensors();
  const all = goldenAdapters(ops, golden);
  const some = new Map([...all].filter(([name]) => pattern.test(name)));
  const beside = new Map(
    Array.from(all, ([name, adapter]) => [
      name,
      { ...adapter, b: some.has(name) ? ops.scale(adapter.b, 1) : ops.scale(adapter.b, 0) },
    ]),
  );
  for (const factors of [
    { a: false, b: true },
    { a: true, b: true },
    { a: true, b: false },
  ]) {
    const expected = await gradientsOf(ops, golden, beside, factors);
    const found = await gradientsOf(ops, golden, some, factors);
    expect([...found.keys()].toSorted()).toEqual(
      [...expected.keys()].filter((name) => pattern.test(name)).toSorted(),
    );
    expect(found.size).toBeGreaterThan(0);
    for (const [name, values] of found) expectClose(values, expected.get(name)!, 1e-5, name);
  }
  for (const { a, b } of all.values()) ops.dispose([a, b]);
  for (const { b } of beside.values()) ops.dispose(b);
  expect(ops.liveTensors()).toBe(liveBefore);
});
