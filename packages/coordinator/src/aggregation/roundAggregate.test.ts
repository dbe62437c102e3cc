import { describe, expect, it } from 'vitest';
import { openAggregate, streams } from './roundAggregate.ts';

const vectors = [[1, 0], [2, 5], [3, 0], [4, 1], [5, 9], [6, 0], [7, 0], [8, 0], [9, 0], [1000, 0]]; // prettier-ignore

function finished(aggregation: Parameters<typeof openAggregate>[0], rows = vectors): Float64Array {
  const aggregate = openAggregate(aggregation, 2);
  for (const values of rows) aggregate.add(Float32Array.from(values));
  expect(aggregate.count).toBe(rows.length);
  return aggregate.finish();
}

describe('openAggregate', () => {
  it('mean: every contributor counts the same', () => {
    expect(finished({ rule: 'mean' })).toEqual(Float64Array.of(104.5, 1.5));
  });

  it('trimmed-mean leaves out a tenth at each end where the config says nothing else', () => {
    expect(finished({ rule: 'trimmed-mean' })).toEqual(Float64Array.of(5.5, 0.75));
    expect(finished({ rule: 'trimmed-mean', trimFraction: 0.4 })).toEqual(Float64Array.of(5.5, 0));
  });

  it.each(['mean', 'trimmed-mean'] as const)(
    '%s goes on after it was asked, and keeps what it gave',
    (rule) => {
      const aggregate = openAggregate({ rule }, 1);
      expect(() => aggregate.finish()).toThrow(RangeError);
      aggregate.add(Float32Array.of(2));
      const first = aggregate.finish();
      aggregate.add(Float32Array.of(4));
      expect([first, aggregate.finish()]).toEqual([Float64Array.of(2), Float64Array.of(3)]);
    },
  );

  it.each([
    ['mean', 0],
    ['trimmed-mean', 6],
  ] as const)('%s in steps has the same bits, with %i pauses', (rule, pauses) => {
    const aggregate = openAggregate({ rule }, 1400);
    for (let k = 0; k < 30; k++) {
      aggregate.add(Float32Array.from({ length: 1400 }, (_, i) => Math.sin(i * (k + 1))));
    }
    const steps = aggregate.finishInSteps();
    let count = 0;
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) count++;
    expect(new Uint8Array(step.value.buffer)).toEqual(new Uint8Array(aggregate.finish().buffer));
    expect(count).toBe(pauses);
  });

  it('streams with the mean only', () => {
    expect([streams({ rule: 'mean' }), streams({ rule: 'trimmed-mean' })]).toEqual([true, false]);
  });
});
