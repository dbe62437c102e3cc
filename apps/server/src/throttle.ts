export type Throttled = { (): void; cancel(): void };

/** Calls `work` at once, then at most every `intervalMs`; a call in between is made up for at the end of the interval. */
export function throttle(work: () => void, intervalMs: number): Throttled {
  let timer: NodeJS.Timeout | undefined;
  let again = false;
  const run = (): void => {
    again = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (again) run();
    }, intervalMs);
    timer.unref();
    work();
  };
  const throttled = (): void => {
    if (timer === undefined) run();
    else again = true;
  };
  return Object.assign(throttled, {
    cancel: () => {
      clearTimeout(timer);
      timer = undefined;
      again = false;
    },
  });
}
