import { expect, test } from 'vitest';
import { ModelError } from '../modelError.ts';
import { readClassNames } from './classNames.ts';
import { configFields } from './configFields.ts';

const read = (config: object, classCount = 2) => readClassNames(configFields(config), classCount);

test.each<[string, object, string[] | null]>([
  ['none', {}, null],
  ['null', { id2label: null, label2id: null }, null],
  ['id2label', { id2label: { 1: 'yes', 0: ' no ' } }, ['no', 'yes']],
  ['label2id alone', { label2id: { yes: 1, no: 0 } }, ['no', 'yes']],
  ['numbers as names', { id2label: { 0: 1, 1: 5 } }, ['1', '5']],
  ['generic ones', { id2label: { 0: 'LABEL_0', 1: 'label_1' }, label2id: { LABEL_0: 0, LABEL_1: 1 } }, null],
  ['generic ones in another order', { id2label: { 0: 'LABEL_1', 1: 'LABEL_0' } }, ['LABEL_1', 'LABEL_0']],
  [
    'label2id where id2label is generic',
    { id2label: { 0: 'LABEL_0', 1: 'LABEL_1' }, label2id: { no: 0, yes: '1' } },
    ['no', 'yes'],
  ],
  ['id2label first', { id2label: { 0: 'no', 1: 'yes' }, label2id: { yes: 0, no: 1 } }, ['no', 'yes']],
])('%s', (_, config, names) => {
  expect(read(config)).toEqual(names);
});

test.each<[string, object]>([
  ['a list', { id2label: ['no', 'yes'] }],
  ['one class too many', { id2label: { 0: 'a', 1: 'b', 2: 'c' } }],
  ['one too few', { id2label: { 0: 'a' } }],
  ['a gap', { id2label: { 0: 'a', 2: 'b' } }],
  ['no number', { id2label: { 0: 'a', x: 'b' } }],
  ['no name', { id2label: { 0: 'a', 1: ['b'] } }],
  ['an index twice', { label2id: { a: 0, b: 0 } }],
])('%s: refused', (_, config) => {
  expect(() => read(config)).toThrow(ModelError);
  expect(() => read(config)).toThrow(/config\.json: (id2label|label2id) is .* the classifier's 2 classes/);
});
