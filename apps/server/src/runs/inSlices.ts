import { setImmediate } from 'node:timers/promises';

/** So long others may have to wait for one slice and one step more. */
const SLICE_MS = 10;

/**
 * Does long work without holding up the event loop: in slices, between which others have their turn. Work that pauses
 * nowhere, or is short, is done when this returns.
 * @param work pauses where it may be interrupted
 * @returns its result, or a promise of it
 * @throws whatever the work throws; a promise rejects with it
 */
export function inSlices<T>(work: Iterator<undefined, T, undefined>): T | Promise<T> {
  const first = slice(work);
  return first.done === true ? first.value : rest(work);
}

/** Does all of it now. */
export function atOnce<T>(work: Iterator<undefined, T, undefined>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

async function rest<T>(work: Iterator<undefined, T, undefined>): Promise<T> {
  for (;;) {
    await setImmediate();
    const { done, value } = slice(work);
    if (done === true) return value;
  }
}

function slice<T>(work: Iterator<undefined, T, undefined>): IteratorResult<undefined, T> {
  const endMs = performance.now() + SLICE_MS;
  for (;;) {
    const step = work.next();
    if (step.done === true || performance.now() >= endMs) return step;
  }
}
