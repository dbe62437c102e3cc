import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VersionedMap } from './versionedMap.ts';

const KEYS = ['a', 'b', 'c', 'd'];

describe('VersionedMap', () => {
  it('gives new versions and leaves the old ones as they were', () => {
    const one = VersionedMap.of([['a', 1]]);
    const two = one.set('b', 2);
    const three = two.delete('a');
    expect(three.get('a')).toBeUndefined();
    expect(one.get('b')).toBeUndefined();
    expect([one.size, two.size, three.size]).toEqual([1, 2, 1]);
    expect(new Map(two)).toEqual(
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
    );
    expect(three.sortedKeys()).toEqual(['b']);
  });

  it('is itself when nothing changes', () => {
    const map = VersionedMap.of([['a', 1]]);
    expect(map.set('a', 1)).toBe(map);
    expect(map.delete('z')).toBe(map);
    expect(VersionedMap.of<undefined>().set('a', undefined).has('a')).toBe(true);
  });

  it('is like a Map copied at each change, whatever versions are asked and changed', () => {
    const act = fc.record({
      from: fc.nat(1000),
      key: fc.constantFrom(...KEYS),
      value: fc.option(fc.nat(3), { nil: null }),
      asked: fc.nat(1000),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        const versions = [{ map: VersionedMap.of<number>(), model: new Map<string, number>() }];
        for (const { from, key, value, asked } of acts) {
          const base = versions[from % versions.length]!;
          const model = new Map(base.model);
          if (value === null) model.delete(key);
          else model.set(key, value);
          const map = value === null ? base.map.delete(key) : base.map.set(key, value);
          versions.push({ map, model });
          const one = versions[asked % versions.length]!;
          expect(one.map.size).toBe(one.model.size);
          for (const k of KEYS) expect(one.map.get(k)).toBe(one.model.get(k));
          expect(one.map.sortedKeys()).toEqual([...one.model.keys()].toSorted());
        }
      }),
    );
  });
});
