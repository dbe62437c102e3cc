import { expect, it } from 'vitest';
import { oneAtATime } from './oneAtATime.ts';

it('runs once more for all calls that came meanwhile, and never twice at once', async () => {
  const runs: PromiseWithResolvers<void>[] = [];
  const call = oneAtATime(() => {
    const run = Promise.withResolvers<void>();
    runs.push(run);
    return run.promise;
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  call();
  call();
  call();
  await settle();
  expect(runs).toHaveLength(1);
  runs[0]!.resolve();
  await settle();
  expect(runs).toHaveLength(2);
  runs[1]!.resolve();
  await settle();
  expect(runs).toHaveLength(2);
  call();
  expect(runs).toHaveLength(3);
});
