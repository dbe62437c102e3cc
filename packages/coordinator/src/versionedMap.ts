/**
 * An immutable map whose newest version costs what a Map costs: `set` and `delete` give a new version and leave the old
 * one as it was. All versions share one Map, which belongs to the newest; each older version knows the one change that
 * leads from its successor back to it. Asking an older version takes those changes back first, so it costs as many steps
 * as there were changes since (H. Baker, "Shallow binding makes functional arrays fast", SIGPLAN Notices 26, 1991). A
 * version that nobody holds any more is collected: newer ones do not refer to it.
 */
export class VersionedMap<Value> implements Iterable<readonly [string, Value]> {
  readonly size: number;
  /** Set in exactly one of all versions that share it. */
  #map: Map<string, Value> | null;
  /** Of any other version: how it differs from its neighbour on the way to the one that holds the Map. */
  #change: { towards: VersionedMap<Value>; key: string; here: { value: Value } | null } | null = null;

  private constructor(map: Map<string, Value>) {
    this.#map = map;
    this.size = map.size;
  }

  static of<Value>(entries: Iterable<readonly [string, Value]> = []): VersionedMap<Value> {
    return new VersionedMap(new Map(entries));
  }

  get(key: string): Value | undefined {
    return this.#own().get(key);
  }

  has(key: string): boolean {
    return this.#own().has(key);
  }

  /** This version itself when it holds that value already (`===`). */
  set(key: string, value: Value): VersionedMap<Value> {
    const map = this.#own();
    if (map.has(key) && map.get(key) === value) return this;
    return this.#succeed(key, () => map.set(key, value));
  }

  delete(key: string): VersionedMap<Value> {
    const map = this.#own();
    return map.has(key) ? this.#succeed(key, () => map.delete(key)) : this;
  }

  /** All entries, copied: versions may be made while one goes through them. Their order means nothing. */
  [Symbol.iterator](): Iterator<readonly [string, Value]> {
    return [...this.#own()][Symbol.iterator]();
  }

  /** All keys, in the order of UTF-16 code units. */
  sortedKeys(): string[] {
    return [...this.#own().keys()].toSorted();
  }

  #succeed(key: string, change: () => void): VersionedMap<Value> {
    const map = this.#own();
    const here = map.has(key) ? { value: map.get(key)! } : null;
    change();
    const successor = new VersionedMap(map);
    this.#map = null;
    this.#change = { towards: successor, key, here };
    return successor;
  }

  /** Brings the shared Map to this version. */
  #own(): Map<string, Value> {
    if (this.#map) return this.#map;
    const path = VersionedMap.#pathFrom<Value>(this);
    const map = path.pop()!.#map!;
    for (const version of path.toReversed()) {
      const { towards, key, here } = version.#change!;
      const there = map.has(key) ? { value: map.get(key)! } : null;
      if (here) map.set(key, here.value);
      else map.delete(key);
      towards.#map = null;
      towards.#change = { towards: version, key, here: there };
      version.#change = null;
      version.#map = map;
    }
    return map;
  }

  /** The versions from this one to the one that holds the Map. */
  static #pathFrom<Value>(version: VersionedMap<Value>): VersionedMap<Value>[] {
    const path = [version];
    for (let change = version.#change; change; change = change.towards.#change) path.push(change.towards);
    return path;
  }
}
