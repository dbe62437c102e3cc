import { expect, test } from 'vitest';
import { fillTemplate, longestFirst } from './template.ts';

test('a pair is cut as by taking the last token of the longer text until both fit', () => {
  for (let a = 0; a <= 12; a++) {
    for (let b = 0; b <= 12; b++) {
      for (let room = 0; room <= 26; room++) {
        let [left, right] = [a, b];
        while (left + right > room) {
          if (left > right) left--;
          else right--;
        }
        expect({ a, b, room, cut: longestFirst(a, b, room) }).toEqual({ a, b, room, cut: [left, right] });
      }
    }
  }
});

test('texts and special tokens take their places with their types', () => {
  const pieces = [
    { ids: [2], typeId: 0 },
    { text: 'A' as const, typeId: 0 },
    { ids: [3, 4], typeId: 0 },
    { text: 'B' as const, typeId: 1 },
    { ids: [3], typeId: 1 },
  ];
  const { ids, typeIds } = fillTemplate(pieces, { A: [7, 8], B: [9] });
  expect([...ids]).toEqual([2, 7, 8, 3, 4, 9, 3]);
  expect([...typeIds]).toEqual([0, 0, 0, 0, 0, 1, 1]);
});
