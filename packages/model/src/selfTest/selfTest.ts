import type { Compute } from '@chorale/compute';
import { DeviceError } from '@chorale/compute';
import { ANSWERS } from './answers.ts';
import { deviationOf, fingerprintOf } from './fingerprint.ts';
import { fixedStep } from './fixedStep.ts';

/** Largest deviation of a device that may train, relative to the norm of each result; see selfTest.test.ts. */
export const SELF_TEST_TOLERANCE = 2e-4;

/**
 * Decides whether a device may train: computes one step of a small fixed model, forward and backward, and compares all
 * results with answers computed in float64 elsewhere. A device can be wrong without an error: there are drivers that
 * return gradients of zero, stale buffers, or 16-bit arithmetic (compute.md, section 2).
 * @throws {DeviceError} DEVICE_UNSUPPORTED: a result deviates by more than 2e-4 of its norm, is NaN or has another size;
 *   the message names the first one. DEVICE_ERROR: the device itself reported an error (`Compute.guard`)
 */
export async function selfTest({ backend, ops, guard }: Compute): Promise<void> {
  const results = await guard(() => fixedStep(ops));
  for (const [name, answer] of Object.entries(ANSWERS)) {
    const values = results.get(name);
    const deviation = values ? deviationOf(fingerprintOf(values), answer) : NaN;
    if (deviation <= SELF_TEST_TOLERANCE) continue;
    throw new DeviceError(
      'DEVICE_UNSUPPORTED',
      `This device computes wrongly with ${backend}: in the self-test "${name}" deviates by ` +
        `${deviation.toPrecision(2)}, expected at most ${SELF_TEST_TOLERANCE}. Use another backend or device.`,
    );
  }
}
