import type { SimulationProgress } from '@chorale/simulation';
import { describe, expect, test } from 'vitest';
import { simulationProgress } from './simulationProgress.ts';

const record = { testAccuracy: 0.75, seconds: 2 } as SimulationProgress['record'];

/** Shows what a simulation of two seeds with four rounds of two clients reports, each entry a second after the last. */
function shown(isTTY: boolean, reports: Partial<SimulationProgress>[]): string[] {
  const written: string[] = [];
  let seconds = 0;
  const stream = { isTTY, columns: 80, write: (text: string) => written.push(text) > 0 };
  const progress = simulationProgress(stream, { seeds: 2, rounds: 4, cohort: 2 }, () => 1000 * seconds);
  for (const report of reports) {
    progress.show({ seed: 5, seedsDone: 0, rounds: 0, clients: 0, record: null, ...report });
    seconds += 1;
  }
  progress.close();
  return written;
}

describe('on a terminal', () => {
  test('one line that is drawn again: bar, rounds, accuracy, time left', () => {
    const lines = shown(true, [{}, { clients: 1 }, { rounds: 1, record }]);
    expect(lines.map((line) => line.slice(0, 4))).toEqual(Array.from({ length: 4 }, () => '\r\u001b[K'));
    expect(lines[0]).toContain('░'.repeat(24));
    // One of sixteen parts in a second: fifteen left
    expect(lines[1]).toContain('seed 5, round 0 of 4 · 15 s left');
    expect(lines[2]).toContain('███░');
    expect(lines[2]).toContain('seed 5, round 1 of 4 · 75.0 % · 14 s left');
    expect(lines[3]).toBe('\r\u001b[K');
  });

  test('never longer than the terminal is wide', () => {
    for (const line of shown(true, [{}, { rounds: 1, record }])) expect(line.length).toBeLessThan(80 + 4);
  });
});

test('elsewhere: a line a round, none for its clients', () => {
  expect(shown(false, [{}, { clients: 1 }, { rounds: 1, record }])).toEqual([
    'seed 5 round 1/4: accuracy 75.0 %, 2.0 s, about 14 s left\n',
  ]);
});

test('rounds of an earlier start do not make the time left too short', () => {
  // Three of eight rounds were there; one more took a second: four are left
  const [line] = shown(false, [{ rounds: 3 }, { rounds: 4, record }]);
  expect(line).toContain('about 4 s left');
  // The same when they belong to a whole seed before
  const [next] = shown(false, [{ rounds: 4 }, { seedsDone: 1 }, { seedsDone: 1, rounds: 1, record }]);
  expect(next).toContain('about 6 s left');
});
