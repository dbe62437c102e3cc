import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';

/**
 * A place in a JSON file of unknown origin. Reads what is expected there, or refuses it by name: file, place, what was
 * expected and what stands there.
 */
export class JsonPlace {
  readonly fileName: string;
  /** Like `model.vocab`; empty for the whole file. */
  readonly path: string;
  readonly value: unknown;

  constructor(fileName: string, value: unknown, path = '') {
    this.fileName = fileName;
    this.path = path;
    this.value = value;
  }

  /** Missing or null. */
  get absent(): boolean {
    return this.value === undefined || this.value === null;
  }

  /** The error to throw when something else stands here. */
  wrong(expected: string): ModelError {
    const found = this.value === undefined ? 'missing' : JSON.stringify(this.value);
    const place = this.path === '' ? 'the file' : shortened(this.path);
    return new ModelError(`${this.fileName}: ${place} is ${shortened(found)}, expected ${expected}`);
  }

  /** The place under a key; `absent` where there is none. */
  at(key: string): JsonPlace {
    const record = this.record();
    const value = Object.hasOwn(record, key) ? record[key] : undefined;
    return new JsonPlace(this.fileName, value, this.path === '' ? key : `${this.path}.${key}`);
  }

  record(): Record<string, unknown> {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value))
      throw this.wrong('an object');
    return this.value as Record<string, unknown>;
  }

  list(): JsonPlace[] {
    if (!Array.isArray(this.value)) throw this.wrong('a list');
    return this.value.map((item, i) => new JsonPlace(this.fileName, item, `${this.path}[${i}]`));
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.wrong('a text');
    return this.value;
  }

  /** @param fallback when it is missing or null */
  flag(fallback: boolean): boolean {
    if (this.absent) return fallback;
    if (typeof this.value !== 'boolean') throw this.wrong('true or false');
    return this.value;
  }

  /** A whole number from 0 under `limit`. */
  count(limit: number, what: string): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value >= limit) {
      throw this.wrong(`${what}, a whole number from 0 under ${limit}`);
    }
    return value;
  }
}
