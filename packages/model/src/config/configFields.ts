import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';

/** Reads the fields of config.json one by one, each with its own check; `null` counts as missing. */
export type ConfigFields = {
  /** The value as it stands in the file; undefined when missing or null. */
  value(key: string): unknown;
  text(key: string, fallback?: string): string;
  /** A whole number from 1 to `atMost` (default 10 million). */
  size(key: string, options?: { fallback?: number; atMost?: number }): number;
  /** A small positive number, as a layer norm adds to the variance. */
  epsilon(key: string, fallback: number): number;
  /** A token id under vocabSize. */
  tokenId(key: string, options: { fallback: number; vocabSize: number }): number;
};

/** No size of a real encoder is larger; the largest vocabulary known has 1 million tokens. */
const MAX_SIZE = 1e7;

/** @throws {ModelError} not an object; each field throws one when it is not what it should be */
export function configFields(json: unknown): ConfigFields {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ModelError(`config.json: expected an object, got ${show(json)}`);
  }
  const value = (key: string): unknown =>
    Object.hasOwn(json, key) ? ((json as Record<string, unknown>)[key] ?? undefined) : undefined;
  const wrong = (key: string, expected: string) =>
    new ModelError(`config.json: ${key} is ${show(value(key))}, expected ${expected}`);
  return {
    value,
    text(key, fallback) {
      const found = value(key) ?? fallback;
      if (typeof found !== 'string') throw wrong(key, 'a name');
      return found;
    },
    size(key, { fallback, atMost = MAX_SIZE } = {}) {
      const found = value(key) ?? fallback;
      if (!isWhole(found) || found < 1 || found > atMost)
        throw wrong(key, `a whole number from 1 to ${atMost}`);
      return found;
    },
    epsilon(key, fallback) {
      const found = value(key) ?? fallback;
      if (typeof found !== 'number' || !(found > 0 && found < 0.1))
        throw wrong(key, 'a small positive number');
      return found;
    },
    tokenId(key, { fallback, vocabSize }) {
      const found = value(key) ?? fallback;
      if (!isWhole(found) || found < 0 || found >= vocabSize) {
        throw wrong(key, `a token id under vocab_size ${vocabSize}`);
      }
      return found;
    },
  };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

/** A value of the file as it stands there, shortened. */
export function show(value: unknown): string {
  return value === undefined ? 'missing' : shortened(JSON.stringify(value));
}
