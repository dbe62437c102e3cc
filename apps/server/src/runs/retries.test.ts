import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Retries } from './retries.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('does again what failed, until it succeeds, even if nobody can be told', () => {
  const retries = new Retries(() => {
    throw new Error('no space left on device');
  });
  let tries = 0;
  retries.run('work', () => {
    tries++;
    if (tries < 3) throw new Error('not yet');
  });
  expect(tries).toBe(1);
  vi.advanceTimersByTime(60_000);
  expect(tries).toBe(3);
});

it('does nothing more once it is closed', () => {
  const retries = new Retries(() => undefined);
  const done: string[] = [];
  retries.later('work', () => done.push('later'), 10);
  retries.close();
  retries.later('work', () => done.push('after'), 10);
  retries.run('work', () => done.push('run'));
  vi.advanceTimersByTime(60_000);
  expect(done).toEqual([]);
});
