import { expectClose } from '@chorale/testing/tolerance';
import type { Compute } from '../compute.ts';
import type { Ops, Tensor } from '../ops.ts';

/** One operation on fixed inputs: what the device returns, by name, beside what it should return. */
export type OpsCase = {
  name: string;
  run: (ops: Ops) => Record<string, Tensor>;
  expected: () => Record<string, { values: ArrayLike<number>; shape: number[] }>;
  /** Not one bit may differ. */
  exact?: true;
};

/** Largest difference from the float64 reference, relative to the largest value; every backend holds it. */
const TOLERANCE = 5e-6;

/** Where a case runs: under the guard, for on webgpu a failed dispatch would give stale bytes, perhaps the right ones. */
export type CaseDevice = Pick<Compute, 'ops' | 'guard'>;

/**
 * Runs a case on a device.
 * @returns the largest relative difference
 * @throws {Error} a shape or a value is wrong, or a tensor was left alive
 */
export async function checkOpsCase(device: CaseDevice, { run, expected, exact }: OpsCase): Promise<number> {
  const { ops } = device;
  return withoutLeaks(device, async () => {
    const results = ops.scope(() => run(ops));
    let worst = 0;
    for (const [name, { values, shape }] of Object.entries(expected())) {
      const result = results[name]!;
      if (result.shape.join() !== shape.join()) {
        throw new Error(`${name}: expected shape [${shape.join()}], got [${result.shape.join()}]`);
      }
      worst = Math.max(worst, expectClose(await ops.read(result), values, exact ? 0 : TOLERANCE, name));
    }
    ops.dispose(results);
    return worst;
  });
}

/** Runs under the guard. @throws {Error} a tensor was left alive */
export async function withoutLeaks<T>({ ops, guard }: CaseDevice, body: () => Promise<T>): Promise<T> {
  const liveBefore = ops.liveTensors();
  const result = await guard(body);
  if (ops.liveTensors() !== liveBefore) {
    throw new Error(`${ops.liveTensors() - liveBefore} tensors were left alive`);
  }
  return result;
}
