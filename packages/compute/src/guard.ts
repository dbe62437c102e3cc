import type { Canary } from './canary.ts';
import type { StepWatch } from './stepWatch.ts';

/** Runs a step under a watch and with known answers in it; see `Compute.guard`. */
export async function guarded<T>(step: () => Promise<T>, watch: StepWatch, canary: Canary): Promise<T> {
  watch.begin();
  const work = settle(async () => {
    const result = await step();
    await canary.check();
    return result;
  });
  const outcome = await (watch.interrupted === null
    ? work
    : Promise.race([work, settle(() => watch.interrupted!)]));
  const failure = await watch.end(outcome.done ? null : outcome.error);
  canary.forget();
  if (failure) throw failure;
  if (!outcome.done) throw outcome.error;
  return outcome.result;
}

export type Outcome<T> = { done: true; result: T } | { done: false; error: unknown };

export async function settle<T>(body: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { done: true, result: await body() };
  } catch (error) {
    return { done: false, error };
  }
}
