import { expect, test } from 'vitest';
import { ModelError } from '../modelError.ts';
import { parseStrictJson } from './strictJson.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => parseStrictJson(bytes(text), 'a.json');

test.each([
  '{"a": {"a": 1, "b": ["a", "a", {"a": "b"}]}, "b": "a"}',
  '[{"k": 1}, {"k": 2}]',
  String.raw`{"a\"b": "}", "a\\": "{", "{": "\\\"", "a": ":"}`,
  '{"x": "\\"k\\": 1", "k": 2}',
  String.raw`{"a": "\",\"a\":"}`,
  String.raw`{"a": "\\", "b": "\"${'['.repeat(100)}"}`,
  '{"__proto__": 1, "constructor": {"__proto__": 2}}',
  '"just {[ a string"',
  'null',
  '{"a": 1.5e-3, "€": [true, false, null]}',
])('%s is read as by JSON.parse', (text) => {
  expect(parse(text)).toEqual(JSON.parse(text));
});

test('64 levels are read, 65 are not, and brackets in strings are no levels', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
  expect(parse(nested(64))).toEqual(JSON.parse(nested(64)));
  expect(() => parse(nested(65))).toThrow(/^a\.json: nested deeper than 64 levels$/);
  // A million levels would overflow the stack of a recursive reader
  expect(() => parse('{"a":'.repeat(1_000_000))).toThrow(/nested deeper/);
  expect(parse(`"${'['.repeat(100)}"`)).toBe('['.repeat(100));
});

test.each<[string, RegExp]>([
  ['{"a": 1, "a": 1}', /^a\.json: the key "a" stands twice$/],
  [String.raw`{"a": 1, "\u0061": 2}`, /the key "a" stands twice/],
  ['{"x": [{"k" : 1, "j": {"k": 3},\n"k"\t:2}]}', /the key "k" stands twice/],
  ['{"": 1, "": 2}', /the key "" stands twice/],
  ['{"a": 1', /not valid JSON/],
  ['{"a": 1}}', /not valid JSON/],
  ['{"a": "', /not valid JSON/],
  ['', /not valid JSON/],
])('%s is refused', (text, message) => {
  expect(() => parse(text)).toThrow(ModelError);
  expect(() => parse(text)).toThrow(message);
});

test('bytes that are no UTF-8 are refused', () => {
  expect(() => parseStrictJson(Uint8Array.of(0x22, 0xff, 0x22), 'a.json')).toThrow(/a\.json: not valid JSON/);
});
