import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TransferSlots } from './transferSlots.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

let queue: number[];
const slotsOf = (budgetBytes: number): TransferSlots => {
  queue = [];
  return new TransferSlots({ budgetBytes, onQueue: (length) => queue.push(length) });
};

/** Asks for each holder; `order` has those that were granted, as it happens. */
function asking(slots: TransferSlots) {
  const order: string[] = [];
  const refused: string[] = [];
  const ask = (holder: string, bytes: number): void => {
    const turn = slots.ask(holder, bytes);
    if (turn === null) order.push(holder);
    else
      turn.then(
        () => order.push(holder),
        (error: Error & { code: string }) => refused.push(`${holder} ${error.code}`),
      );
  };
  return { order, refused, ask };
}

const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);

describe('room for transfers', () => {
  it('is granted at once while there is some, then in the order of asking', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    for (const holder of ['a', 'b', 'c', 'd', 'e']) ask(holder, 40);
    expect(order).toEqual(['a', 'b']);
    expect([slots.freeBytes, slots.waiting]).toEqual([20, 3]);
    expect(slots.arrived('b')).toBe(true);
    await settled();
    expect(order).toEqual(['a', 'b', 'c']);
    expect(slots.arrived('a')).toBe(true);
    expect(slots.arrived('c')).toBe(true);
    await settled();
    expect(order).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(slots.arrived('d') && slots.arrived('e')).toBe(true);
    expect([slots.freeBytes, slots.waiting]).toEqual([100, 0]);
    expect(queue).toEqual([1, 2, 3, 2, 1, 0]);
  });

  it('is nobody’s who did not ask, and for one update only', () => {
    const slots = slotsOf(100);
    expect(slots.arrived('a')).toBe(false);
    expect(slots.ask('a', 40)).toBeNull();
    expect(slots.arrived('a')).toBe(true);
    expect(slots.arrived('a')).toBe(false);
  });

  it('is not for a small one before a large one that asked first', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    ask('a', 60);
    ask('large', 80);
    ask('small', 10);
    expect(order).toEqual(['a']);
    slots.arrived('a');
    await settled();
    expect(order).toEqual(['a', 'large', 'small']);
  });

  it('is all of it for one that is larger', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    ask('huge', 1_000);
    ask('b', 1);
    expect([order, slots.freeBytes]).toEqual([['huge'], 0]);
    slots.arrived('huge');
    await settled();
    expect(order).toEqual(['huge', 'b']);
  });

  it('comes free when its holder goes, and who waited and went is passed over', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    for (const holder of ['a', 'b', 'c']) ask(holder, 100);
    slots.gone('b');
    slots.gone('a');
    await settled();
    expect(order).toEqual(['a', 'c']);
    slots.gone('c');
    slots.gone('c');
    expect([slots.freeBytes, slots.waiting]).toEqual([100, 0]);
  });

  it('goes on to those behind one that went and did not fit', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    ask('a', 50);
    ask('large', 80);
    ask('small', 10);
    slots.gone('large');
    await settled();
    expect(order).toEqual(['a', 'small']);
  });

  it('comes free after 30 s, and so much more as a large update takes on a slow line', async () => {
    const slots = slotsOf(1_000_000);
    const { order, ask } = asking(slots);
    ask('small', 1_000);
    ask('large', 800_000);
    ask('next', 900_000);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(slots.freeBytes).toBe(199_000);
    await vi.advanceTimersByTimeAsync(200);
    expect(slots.freeBytes).toBe(200_000);
    await vi.advanceTimersByTimeAsync(99_700);
    expect(order).toEqual(['small', 'large']);
    await vi.advanceTimersByTimeAsync(200);
    expect(order).toEqual(['small', 'large', 'next']);
    // What comes now has no grant
    expect(slots.arrived('large')).toBe(false);
    expect(slots.arrived('next')).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(slots.freeBytes).toBe(1_000_000);
  });

  it('is not cut short by the time of a grant before', async () => {
    const slots = slotsOf(100);
    expect(slots.ask('a', 40)).toBeNull();
    await vi.advanceTimersByTimeAsync(20_000);
    slots.arrived('a');
    expect(slots.ask('a', 40)).toBeNull();
    await vi.advanceTimersByTimeAsync(20_000);
    expect(slots.freeBytes).toBe(60);
    expect(slots.arrived('a')).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('of who asks again is given up; her place in the queue is not', async () => {
    const slots = slotsOf(100);
    const { order, refused, ask } = asking(slots);
    ask('a', 100);
    ask('b', 100);
    ask('c', 100);
    ask('b', 100); // her first answer took too long
    await settled();
    expect(refused).toEqual(['b RATE_LIMITED']);
    ask('a', 100); // and she starts anew: those who waited come first
    await settled();
    expect(order).toEqual(['a', 'b']);
    slots.arrived('b');
    await settled();
    expect(order).toEqual(['a', 'b', 'c']);
    slots.arrived('c');
    await settled();
    expect(order).toEqual(['a', 'b', 'c', 'a']);
  });

  it('goes to one who asks again for less, which fits', async () => {
    const slots = slotsOf(100);
    const { order, ask } = asking(slots);
    ask('a', 60);
    ask('b', 80);
    ask('b', 40);
    await settled();
    expect(order).toEqual(['a', 'b']);
  });
});

describe.each(Array.from({ length: 40 }, (_, k) => k + 1))('whatever happens (seed %i)', (seed) => {
  it('the budget holds, nobody is forgotten, and all of it comes back', async () => {
    const random = randomOf(seed);
    const budget = 100;
    const slots = slotsOf(budget);
    const holders = Array.from({ length: 12 }, (_, k) => `h${k}`);
    /** What each holder may send now, by what she was told; what she waits for. */
    const granted = new Map<string, number>();
    const waiting = new Set<string>();
    const ask = (holder: string): void => {
      const bytes = 1 + random(60);
      granted.delete(holder);
      const turn = slots.ask(holder, bytes);
      if (turn === null) {
        granted.set(holder, bytes);
        return;
      }
      waiting.add(holder);
      turn.then(
        () => {
          waiting.delete(holder);
          granted.set(holder, bytes);
        },
        () => undefined,
      );
    };
    for (let step = 0; step < 400; step++) {
      const holder = holders[random(holders.length)]!;
      const choice = random(10);
      if (choice < 5) ask(holder);
      else if (choice < 8) {
        const had = slots.arrived(holder);
        if (had) granted.delete(holder);
      } else if (choice < 9) {
        slots.gone(holder);
        granted.delete(holder);
        waiting.delete(holder);
      } else await vi.advanceTimersByTimeAsync(random(20_000));
      await settled();
      expect(slots.freeBytes).toBeGreaterThanOrEqual(0);
      expect(slots.freeBytes).toBeLessThanOrEqual(budget);
      expect(slots.waiting).toBe(waiting.size);
      // Somebody waits only while something is on its way
      expect(slots.waiting > 0 && slots.freeBytes === budget).toBe(false);
    }
    // Everybody who waits gets her turn within the time that the others may take, though nobody sends anything
    for (let k = 0; k < holders.length; k++) await vi.advanceTimersByTimeAsync(31_000);
    expect([slots.freeBytes, slots.waiting, waiting.size]).toEqual([budget, 0, 0]);
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** Numbers that look random and follow from the seed: mulberry32, public domain. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
