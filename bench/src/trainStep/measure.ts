import type { WasmUrls } from '@chorale/compute';
import { openCompute } from '@chorale/compute';
import type { Backend, StepShape } from './shapes.ts';
import { stepUnderTest } from './stepUnderTest.ts';

type Use = { peakBytes: number; kernels: number };

/**
 * One shape on one backend. Times are medians in milliseconds, ratios medians of the repetitions' ratios; null where
 * nothing was repeated.
 */
export type Measured = {
  shape: StepShape;
  device: string;
  software: boolean;
  milliseconds: Record<'handWritten' | 'tape' | 'plain' | 'private' | 'pytorch', number | null>;
  handWrittenToTape: { time: number | null; peakBytes: number; kernels: number };
  privateToPlain: number | null;
  privateToPytorch: number | null;
  use: { handWritten: Use; tape: Use };
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
  if (shape.repetitions > 0) for (const run of Object.values(ways)) await run();
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

  const time = (way: string) => median(times.get(way) ?? []);
  const ratio = (a: string, b: string) =>
    median((times.get(a) ?? []).flatMap((ms, i) => (times.has(b) ? ms / times.get(b)![i]! : [])));
  return {
    shape,
    device: name,
    software,
    milliseconds: {
      handWritten: time('handWritten'),
      tape: time('tape'),
      plain: time('plain'),
      private: time('private'),
      pytorch: time('pytorch'),
    },
    handWrittenToTape: {
      time: ratio('handWritten', 'tape'),
      peakBytes: round(use.handWritten.peakBytes / use.tape.peakBytes),
      kernels: round(use.handWritten.kernels / use.tape.kernels),
    },
    privateToPlain: ratio('private', 'plain'),
    privateToPytorch: ratio('private', 'pytorch'),
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

function median(values: number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return round((sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
