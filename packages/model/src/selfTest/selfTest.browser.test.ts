import { BACKEND_ORDER, openCompute } from '@chorale/compute';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { expect, test } from 'vitest';
import { ANSWERS } from './answers.ts';
import { deviationOf, fingerprintOf } from './fingerprint.ts';
import { fixedStep } from './fixedStep.ts';
import { SELF_TEST_TOLERANCE, selfTest } from './selfTest.ts';

// All on one page: tfjs has one backend at a time, so the order of tests is the order of backends.
test.each(BACKEND_ORDER)('%s passes the self-test, with room to the tolerance', async (backend) => {
  const compute = await openCompute(backend, { wasmUrls });
  await selfTest(compute);
  const results = await compute.guard(() => fixedStep(compute.ops));
  const deviations = [...results].map(([name, values]) => deviationOf(fingerprintOf(values), ANSWERS[name]!));
  const started = performance.now();
  await selfTest(compute);
  const seconds = (performance.now() - started) / 1000;
  console.info(
    `${backend}: largest deviation ${Math.max(...deviations).toExponential(2)}, ${seconds.toFixed(2)} s`,
  );
  expect(Math.max(...deviations)).toBeLessThan(SELF_TEST_TOLERANCE / 5);
});
