/**
 * Lets work that takes a while never run twice at once, so that a later result cannot be overtaken by an earlier one;
 * calls that come meanwhile make it run once more afterwards.
 * @param work must not reject
 */
export function oneAtATime(work: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const run = async (): Promise<void> => {
    running = true;
    do {
      again = false;
      await work();
    } while (again);
    running = false;
  };
  return () => {
    if (running) again = true;
    else void run();
  };
}
