/** Deterministic choices for the generator: the same seed gives the same files on every machine. */
export type Choices = {
  /** A number in [0, 1). */
  next: () => number;
  chance: (probability: number) => boolean;
  /** One of `items`, which must not be empty. */
  pick: <Item>(items: readonly Item[]) => Item;
  /** A shuffled copy. */
  shuffle: <Item>(items: readonly Item[]) => Item[];
};

/** mulberry32, a 32-bit generator in integer arithmetic only; good enough to mix sentences, and nothing else. */
export function createChoices(seed: number): Choices {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[Math.floor(next() * items.length)];
    if (item === undefined) throw new RangeError('pick: expected at least one item');
    return item;
  };
  return {
    next,
    chance: (probability) => next() < probability,
    pick,
    shuffle: (items) => {
      const rest = [...items];
      return items.map(() => {
        const index = Math.floor(next() * rest.length);
        return rest.splice(index, 1)[0] ?? pick(items);
      });
    },
  };
}
