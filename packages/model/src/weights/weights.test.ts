import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../checkpoint.ts';
import type { ModelFiles } from '../files/modelFiles.ts';
import { ModelError } from '../modelError.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import type { NamedTensor } from './safetensors.ts';
import { joinSafetensors, readSafetensors, writeSafetensors } from './safetensors.ts';

const WORDS = 'embeddings.word_embeddings.weight';

/** The tiny BERT with its tensors under other names; null drops one. */
function renamed(rename: (name: string) => string | null, classCount?: number): ModelFiles {
  return tinyModel(
    1,
    (weights) => {
      const before = [...weights];
      weights.clear();
      for (const [name, tensor] of before) {
        const changed = rename(name);
        if (changed !== null) weights.set(changed, tensor);
      }
    },
    classCount === undefined ? {} : { classCount },
  );
}

const changed = (change: (weights: Map<string, NamedTensor>) => void) =>
  tinyModel(1, change, { classCount: 3 });

describe('names', () => {
  const expected = readCheckpoint(tinyModel()).weights;
  const gain = 'encoder.layer.1.attention.output.LayerNorm.weight';

  test.each<[string, (name: string) => string | null]>([
    ['without the base prefix', (name) => name.replace(/^bert\./, '')],
    [
      'with gamma and beta',
      (name) =>
        name.replace(/LayerNorm\.weight/, 'LayerNorm.gamma').replace(/LayerNorm\.bias/, 'LayerNorm.beta'),
    ],
    ['with both', (name) => name.replace(/^bert\./, '').replace(/LayerNorm\.weight/, 'LayerNorm.gamma')],
  ])('%s', (_, rename) => {
    const { weights } = readCheckpoint(renamed(rename));
    expect(weights.floats(WORDS, [16, 8])).toEqual(expected.floats(WORDS, [16, 8]));
    expect(weights.floats(gain, [8])).toEqual(expected.floats(gain, [8]));
  });

  test('DistilBERT has names of its own for the same parts', () => {
    const { weights } = readCheckpoint(tinyModel(1, undefined, { architecture: 'distilbert' }));
    expect(weights.specs.find(({ name }) => name === gain)!.fullName).toBe(
      'distilbert.transformer.layer.1.sa_layer_norm.weight',
    );
    expect(weights.has('embeddings.token_type_embeddings.weight')).toBe(false);
  });

  test('a tensor under two of its names is refused', () => {
    const files = changed((weights) => weights.set(WORDS, weights.get(`bert.${WORDS}`)!));
    expect(() => readCheckpoint(files)).toThrow(ModelError);
    expect(() => readCheckpoint(files)).toThrow(
      /bert\.embeddings.*weight and embeddings.*weight are both there/,
    );
  });
});

describe('head', () => {
  test('pooler and classifier are read in our orientation', () => {
    const files = changed(() => {});
    const stored = readSafetensors(files.get('model.safetensors')!);
    const { pooler, classifier } = readCheckpoint(files);
    expect(pooler!.activation).toBe('tanh');
    expect(pooler!.weight[8 * 3 + 5]).toBe(stored.get('bert.pooler.dense.weight')!.values[8 * 5 + 3]);
    expect(classifier!.classCount).toBe(3);
    expect(classifier!.weight[3 * 6 + 2]).toBe(stored.get('classifier.weight')!.values[8 * 2 + 6]);
    expect(classifier!.bias).toEqual(stored.get('classifier.bias')!.values);
  });

  test('none, a pooler alone, a classifier alone', () => {
    const without = (pattern: RegExp) => renamed((name) => (pattern.test(name) ? null : name), 3);
    expect(readCheckpoint(tinyModel())).toMatchObject({ pooler: null, classifier: null });
    const alone = readCheckpoint(without(/^classifier/));
    expect(alone.pooler).not.toBe(null);
    expect(alone.classifier).toBe(null);
    expect(readCheckpoint(without(/pooler/))).toMatchObject({ pooler: null, classifier: { classCount: 3 } });
  });

  test.each(['BertForTokenClassification', 'BertForMultipleChoice'])('that of %s is not taken', (name) => {
    const files = changed(() => {});
    const config = JSON.parse(new TextDecoder().decode(files.get('config.json'))) as object;
    const withTask = (architectures: string[]) =>
      files.set('config.json', new TextEncoder().encode(JSON.stringify({ ...config, architectures })));
    expect(readCheckpoint(withTask([name])).classifier).toBe(null);
    expect(readCheckpoint(withTask(['BertForSequenceClassification'])).classifier).not.toBe(null);
  });

  test.each([
    ['bert', 'tanh'],
    ['roberta', 'tanh'],
    ['distilbert', 'relu'],
  ] as const)('%s has a pooler with %s', (architecture, activation) => {
    const { pooler, classifier } = readCheckpoint(tinyModel(1, undefined, { architecture, classCount: 2 }));
    expect(pooler!.activation).toBe(activation);
    expect(classifier!.classCount).toBe(2);
  });
});

test.each<[string, RegExp, (weights: Map<string, NamedTensor>) => void]>([
  ['a missing tensor', /no tensor bert\.embeddings\.word/, (weights) => weights.delete(`bert.${WORDS}`)],
  [
    'half a pooler',
    /no tensor bert\.pooler\.dense\.bias/,
    (weights) => weights.delete('bert.pooler.dense.bias'),
  ],
  ['half a classifier', /no tensor classifier\.bias/, (weights) => weights.delete('classifier.bias')],
  [
    'a classifier of no classes in one dimension',
    /classifier\.weight has shape \[24\], expected \[24, 8\]/,
    (weights) =>
      weights.set('classifier.weight', { shape: [24], values: weights.get('classifier.weight')!.values }),
  ],
  [
    'NaN in an embedding table',
    /tensor bert\.embeddings\.word_embeddings\.weight holds NaN at 37/,
    (weights) => weights.get(`bert.${WORDS}`)!.values.set([NaN], 37),
  ],
  [
    'an infinite bias',
    /tensor classifier\.bias holds -Infinity at 2/,
    (weights) => weights.get('classifier.bias')!.values.set([-Infinity], 2),
  ],
  [
    'more layers than the config names',
    /config\.json names 2 layers, but the weights have more \(bert\.encoder\.layer\.2\./,
    (weights) => {
      const name = 'attention.self.query.weight';
      weights.set(`bert.encoder.layer.2.${name}`, weights.get(`bert.encoder.layer.1.${name}`)!);
    },
  ],
])('%s is refused by name', (_, message, change) => {
  expect(() => readCheckpoint(changed(change))).toThrow(ModelError);
  expect(() => readCheckpoint(changed(change))).toThrow(message);
});

test('tensors nobody needs may have any dtype and hold anything; needed ones must be floats', () => {
  const parts = (ids: string, bias: string) => {
    const tensors = readSafetensors(tinyModel().get('model.safetensors')!);
    const stored = Array.from(tensors, ([name, { shape, values }]) => ({
      name,
      dtype: 'F32',
      shape,
      bytes: new Uint8Array(values.buffer),
    }));
    stored.push({ name: ids, dtype: 'I64', shape: [1, 2], bytes: new Uint8Array(16) });
    stored.push({ name: bias, dtype: 'F32', shape: [1], bytes: new Uint8Array(Float32Array.of(NaN).buffer) });
    const files = tinyModel();
    return files.set(
      'model.safetensors',
      joinSafetensors(stored as Parameters<typeof joinSafetensors>[0], {}),
    );
  };
  const { weights } = readCheckpoint(parts('bert.embeddings.position_ids', 'cls.predictions.bias'));
  expect(weights.has('embeddings.position_ids')).toBe(false);
  expect(() => readCheckpoint(parts('bert.pooler.dense.weight', 'bert.pooler.dense.bias'))).toThrow(
    /bert\.pooler\.dense\.weight has shape \[1, 2\]/,
  );
});

test('a weight in int64 is refused by name', () => {
  const tensors = readSafetensors(tinyModel().get('model.safetensors')!);
  const stored = Array.from(tensors, ([name, { shape, values }]) => {
    const isBias = name === 'bert.encoder.layer.0.output.dense.bias';
    const bytes = isBias ? new Uint8Array(64) : new Uint8Array(values.buffer);
    return { name, dtype: isBias ? 'I64' : 'F32', shape, bytes };
  });
  const file = joinSafetensors(stored as Parameters<typeof joinSafetensors>[0], {});
  const files = tinyModel().set('model.safetensors', file);
  expect(() => readCheckpoint(files)).toThrow(/output\.dense\.bias has dtype I64, expected F32, F16 or BF16/);
});

test('a table is gathered as it is stored, at an odd position too', () => {
  // A name one byte longer moves the data by one byte only when the header is not padded
  const values = Float32Array.of(1, -2, 0.5, 3, 4, -0.25);
  const header = '{"x":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]}} ';
  expect(header.length % 2).toBe(0);
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x3800, 0x4200, 0x4400, 0xb400);
  for (const shift of [0, 1]) {
    const file = new Uint8Array(8 + header.length + 12 + shift);
    const view = file.subarray(shift);
    new DataView(view.buffer, shift).setBigUint64(0, BigInt(header.length), true);
    view.set(new TextEncoder().encode(header), 8);
    view.set(new Uint8Array(halves.buffer), 8 + header.length);
    expect([...readSafetensors(view).get('x')!.values]).toEqual([...values]);
  }
  const model = tinyModel();
  const tensors = readSafetensors(model.get('model.safetensors')!);
  const written = writeSafetensors(tensors, { padding: 'x' });
  const shifted = new Uint8Array(written.length + 1);
  shifted.set(written, 1);
  const { weights } = readCheckpoint(model.set('model.safetensors', shifted.subarray(1)));
  const table = weights.table(WORDS, [16, 8]);
  const sum = new Float32Array(10).fill(1);
  table.addRow(3, sum, 1);
  const row = tensors.get(`bert.${WORDS}`)!.values.subarray(24, 32);
  expect([...sum]).toEqual([1, ...Float32Array.from(row, (value) => value + 1), 1]);
  expect(() => table.addRow(16, sum, 0)).toThrow(/row 16 of bert\.embeddings.* was asked for, which has 16/);
});
