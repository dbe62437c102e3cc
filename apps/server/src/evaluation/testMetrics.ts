import type { Evaluation } from '../serverParts.ts';

/** Test results as a round's record holds them. */
export type TestMetrics = { testAccuracy: number; testLoss: number };

/**
 * Measures one adapter version.
 * @param evaluation null when the run has no test file
 * @throws {RangeError} the results are not finite
 */
export async function measureAdapter(
  evaluation: Evaluation | null,
  parameters: Float64Array,
): Promise<TestMetrics | null> {
  if (evaluation === null) return null;
  const { accuracy, loss } = await evaluation.evaluate(Float32Array.from(parameters));
  if (!Number.isFinite(accuracy) || !Number.isFinite(loss)) {
    throw new RangeError(`expected finite results, got accuracy ${accuracy}, loss ${loss}`);
  }
  return { testAccuracy: accuracy, testLoss: loss };
}
