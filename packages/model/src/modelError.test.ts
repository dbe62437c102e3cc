import { expect, test } from 'vitest';
import { ModelError } from './modelError.ts';
import { neededModelFiles } from './files/neededModelFiles.ts';
import { listed } from './shortened.ts';

test('no message is longer than 1,000 characters, whatever it repeats', () => {
  expect(new ModelError('x'.repeat(1000)).message).toBe('x'.repeat(1000));
  expect(new ModelError('x'.repeat(1001)).message).toBe(`${'x'.repeat(1000)}…`);
});

test('of many names the first are listed, each shortened', () => {
  expect(listed(['a', 'b'.repeat(61)])).toBe(`a, ${'b'.repeat(60)}…`);
  expect(listed(['a', 'b', 'c'], 2)).toBe('a, b and more');
  const names = Array.from({ length: 5000 }, (_, i) => `file-${i}`);
  expect(() => neededModelFiles(names)).toThrow(/it has file-0, .*file-11 and more; is it/);
});
