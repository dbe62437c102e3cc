import type { BackendName } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import '@chorale/compute/testing/tapeGradients';
import { wasmUrls } from '@chorale/compute/wasmUrls';
import { expect, test } from 'vitest';
import type { StepShape } from './shapes.ts';
import { stepUnderTest } from './stepUnderTest.ts';

const SHAPE: StepShape = {
  name: 'odd sizes',
  hiddenSize: 18,
  layerCount: 3,
  headCount: 3,
  intermediateSize: 29,
  exampleCount: 3,
  tokens: 11,
  rank: 2,
  repetitions: 1,
};

test.each(['webgpu', 'webgl', 'wasm', 'cpu'] as const satisfies BackendName[])(
  "on %s the whole model's per-example gradients are those of tfjs's tape, in less memory and with fewer kernels or results",
  async (backend) => {
    const compute = await openCompute(backend, { wasmUrls });
    const liveBefore = compute.ops.liveTensors();
    const step = await stepUnderTest(compute, SHAPE);
    console.info(`${backend}: gradients differ by ${step.difference.toExponential(2)} from the tape's`);
    expect(step.difference).toBeGreaterThan(0);
    expect(step.difference).toBeLessThan(5e-6);
    const { handWritten, tape } = step.use;
    expect(handWritten.peakBytes).toBeLessThan(0.4 * tape.peakBytes);
    const counted = backend === 'webgpu' || backend === 'webgl' ? 'kernels' : 'resultsWritten';
    expect(handWritten[counted]!).toBeGreaterThan(0);
    expect(handWritten[counted]!).toBeLessThan(0.85 * tape[counted]!);
    expect(handWritten[counted === 'kernels' ? 'resultsWritten' : 'kernels']).toBeNull();
    await step.private();
    step.dispose();
    expect(compute.ops.liveTensors()).toBe(liveBefore);
  },
);
