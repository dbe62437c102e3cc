import type { WasmUrls } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { DeviceUse } from '@chorale/compute/testing/deviceCounters';
import type { Ratio } from './ratio.ts';
import { median, rounded, timeRatio } from './ratio.ts';
import type { Backend, StepShape } from './shapes.ts';
import { stepUnderTest } from './stepUnderTest.ts';

/** One shape on one backend. */
export type Measured = {
  shape: StepShape;
  device: string;
  software: boolean;
  /** Medians over the repetitions; pytorch: null where there is none. */
  milliseconds: Record<'handWritten' | 'tape' | 'plain' | 'private', number> & { pytorch: number | null };
  /** What is counted for a backend, `use` says; the other is null. */
  handWrittenToTape: {
    time: Ratio;
    peakBytes: number;
    kernels: number | null;
    resultsWritten: number | null;
  };
  privateToPlain: Ratio;
  privateToPytorch: Ratio | null;
  use: { handWritten: DeviceUse; tape: DeviceUse };
  /** Of the tape's gradients from ours, relative. */
  gradientDifference: number;
};

/** One step elsewhere, for comparison; resolves with its milliseconds. */
export type Rival = () => Promise<number>;

/**
 * Measures a step in all ways in turn, repetition after repetition, so that what else the machine does falls on all alike.
 */
export async function measure(
  backend: Backend,
  shape: StepShape,
  { wasmUrls, pytorch }: { wasmUrls?: WasmUrls; pytorch?: Rival } = {},
): Promise<Measured> {
  const compute = await openCompute(backend, wasmUrls ? { wasmUrls } : {});
  const step = await stepUnderTest(compute, shape);
  const ways: Record<string, Rival> = {
    handWritten: timed(step.handWritten),
    tape: timed(step.tape),
    plain: timed(step.plain),
    private: timed(step.private),
    ...(pytorch ? { pytorch } : {}),
  };
  // Once unmeasured: shaders are compiled, code is optimised
  for (const run of Object.values(ways)) await run();
  const times = new Map(Object.keys(ways).map((name) => [name, [] as number[]]));
  for (let i = 0; i < shape.repetitions; i++) {
    // There and back, so that none always runs on what the same other left behind
    const order = i % 2 === 0 ? Object.entries(ways) : Object.entries(ways).toReversed();
    for (const [name, run] of order) times.get(name)!.push(await run());
  }
  const { use, difference } = step;
  step.dispose();
  const { name, software } = compute.device;
  compute.dispose();

  const timesOf = (way: string) => times.get(way)!;
  const time = (way: string) => rounded(median(timesOf(way)));
  const ratio = (a: string, b: string) => timeRatio(timesOf(a), timesOf(b));
  const used = (count: keyof DeviceUse) => {
    const [ours, theirs] = [use.handWritten[count], use.tape[count]];
    return ours === null || theirs === null ? null : rounded(ours / theirs);
  };
  return {
    shape,
    device: name,
    software,
    milliseconds: {
      handWritten: time('handWritten'),
      tape: time('tape'),
      plain: time('plain'),
      private: time('private'),
      pytorch: pytorch ? time('pytorch') : null,
    },
    handWrittenToTape: {
      time: ratio('handWritten', 'tape'),
      peakBytes: used('peakBytes')!,
      kernels: used('kernels'),
      resultsWritten: used('resultsWritten'),
    },
    privateToPlain: ratio('private', 'plain'),
    privateToPytorch: pytorch ? ratio('private', 'pytorch') : null,
    use,
    gradientDifference: difference,
  };
}

function timed(run: () => Promise<void>): Rival {
  return async () => {
    const start = performance.now();
    await run();
    return performance.now() - start;
  };
}
