import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readCheckpoint } from '../checkpoint.ts';
import type { GoldenName } from '../testing/golden.ts';
import { GOLDEN_MODELS, readGolden } from '../testing/golden.ts';
import { readTinyEncoder } from '../testing/tinyEncoder.ts';
import { tinyModel } from '../testing/tinyModel.ts';
import { LARGEST_HALF } from '../weights/halfFloat.ts';
import { readSafetensors } from '../weights/safetensors.ts';
import { readLayout } from '../weights/safetensorsHeader.ts';
import type { ModelFiles } from './modelFiles.ts';
import { MODEL_FILE_NAMES } from './modelFiles.ts';
import { packModel } from './packModel.ts';

const read = async (path: string) =>
  new Uint8Array(await readFile(resolve(import.meta.dirname, '../testing/golden', path)));
const dtypes = (files: ModelFiles) =>
  new Map(readLayout(files.get('model.safetensors')!, 'packed').map(({ name, dtype }) => [name, dtype]));

describe.each(Object.keys(GOLDEN_MODELS) as GoldenName[])('%s', (name) => {
  test('packed: the four files, the weights in F16 under the ecosystem’s names, sorted', async () => {
    const { files, checkpoint } = await readGolden(name, read);
    const packed = packModel(files);
    expect([...packed.keys()]).toEqual([...MODEL_FILE_NAMES]);
    const formats = dtypes(packed);
    expect(new Set(formats.values())).toEqual(new Set(['F16']));
    expect([...formats.keys()]).toEqual([...formats.keys()].toSorted());
    expect([...formats.keys()]).toEqual(checkpoint.weights.specs.map(({ fullName }) => fullName).toSorted());
    const again = readCheckpoint(packed);
    expect(again.config).toEqual(checkpoint.config);
    expect(again.pooler === null).toBe(checkpoint.pooler === null);
    const wrong = checkpoint.weights.specs.filter(({ name: tensor, shape }) => {
      const before = checkpoint.weights.floats(tensor, shape);
      const after = again.weights.floats(tensor, shape);
      // Half a unit in the last of 11 digits, and of the smallest subnormal; nothing where it was F16 already
      const unit = name === 'bert-sharded-f16' ? 0 : 1;
      return !after.every(
        (value, i) => Math.abs(value - before[i]!) <= unit * (Math.abs(before[i]!) * 2 ** -11 + 2 ** -25),
      );
    });
    expect(wrong).toEqual([]);
  });

  test('packed again it is the same bytes', async () => {
    const packed = packModel((await readGolden(name, read)).files);
    expect(packModel(packed)).toEqual(packed);
  });
});

test('the embedded tiny encoder is F16 already: the same weights come out', async () => {
  const files = await readTinyEncoder();
  const packed = packModel(files);
  const before = new Map(
    readLayout(files.get('model.safetensors')!, 'before').map((part) => [part.name, part]),
  );
  const after = readLayout(packed.get('model.safetensors')!, 'after');
  expect(after).toHaveLength(before.size);
  // Compared as buffers: `toEqual` looks at millions of bytes one by one
  const changed = after.filter(({ name, bytes }) => Buffer.compare(bytes, before.get(name)!.bytes) !== 0);
  expect(changed.map(({ name }) => name)).toEqual([]);
  const again = packModel(packed);
  expect(
    MODEL_FILE_NAMES.filter((name) => Buffer.compare(again.get(name)!, packed.get(name)!) !== 0),
  ).toEqual([]);
});

test('a tensor that F16 cannot hold stays as it is', () => {
  const large = 'bert.encoder.layer.0.output.dense.bias';
  const edge = 'bert.encoder.layer.1.output.dense.bias';
  const packed = packModel(
    tinyModel(1, (weights) => {
      weights.get(large)!.values[3] = -65_505;
      weights.get(edge)!.values[3] = -LARGEST_HALF;
    }),
  );
  const formats = dtypes(packed);
  expect([...formats].filter(([, dtype]) => dtype === 'F32')).toEqual([[large, 'F32']]);
  expect(readSafetensors(packed.get('model.safetensors')!).get(large)!.values[3]).toBe(-65_505);
  expect(readSafetensors(packed.get('model.safetensors')!).get(edge)!.values[3]).toBe(-LARGEST_HALF);
  expect(packModel(packed)).toEqual(packed);
});

describe('the config files', () => {
  type Json = Record<string, unknown>;
  const jsonOf = (files: ModelFiles, name: string) =>
    JSON.parse(new TextDecoder().decode(files.get(name))) as Json;
  const put = (files: ModelFiles, name: string, value: Json, space?: number) =>
    files.set(name, new TextEncoder().encode(JSON.stringify(value, null, space)));
  const text = (files: ModelFiles) =>
    ['config.json', 'tokenizer.json', 'tokenizer_config.json']
      .map((name) => new TextDecoder().decode(files.get(name)))
      .join('\n');

  test.each(['bert', 'roberta', 'distilbert'] as const)(
    '%s: nothing goes along but what is read, and that whole',
    (architecture) => {
      const files = tinyModel(1, undefined, { architecture, classCount: 3 });
      const [names, pad] = [{ 0: 'no', 1: 'maybe', 2: 'yes' }, architecture === 'roberta' ? 0 : 3];
      const spoken = { id2label: names, pad_token_id: pad, architectures: ['AnyModel', '/home/alice'] };
      const other =
        architecture === 'distilbert'
          ? { activation: 'relu', max_position_embeddings: 32 }
          : { hidden_act: 'gelu_fast', layer_norm_eps: 1e-5 };
      const noise = { _name_or_path: '/home/alice/model', notes: { of: 'alice' }, is_decoder: false };
      put(files, 'config.json', { ...noise, ...jsonOf(files, 'config.json'), ...spoken, ...other });
      put(files, 'tokenizer.json', { ...jsonOf(files, 'tokenizer.json'), saved_by: 'alice' });
      put(files, 'tokenizer_config.json', {
        name_or_path: '/home/alice/model',
        tokenizer_class: 'BertTokenizer',
        do_lower_case: false,
      });
      const packed = packModel(files);
      expect(text(packed)).not.toContain('alice');
      expect(readCheckpoint(packed).config).toEqual(readCheckpoint(files).config);
      expect(readCheckpoint(packed).config.padTokenId).toBe(pad);
      expect(readCheckpoint(packed).classifier!.labels).toEqual(['no', 'maybe', 'yes']);
      expect(jsonOf(packed, 'config.json')).toMatchObject({
        architectures: ['AnyModel'],
        label2id: { no: 0, maybe: 1, yes: 2 },
      });
      expect(jsonOf(packed, 'tokenizer_config.json')).toEqual({
        tokenizer_class: 'BertTokenizer',
        do_lower_case: false,
      });
      expect(packModel(packed)).toEqual(packed);
    },
  );

  test('white space, the order of fields and what is not read change no byte', () => {
    const files = tinyModel(1, undefined, { classCount: 2 });
    const other = new Map(files);
    for (const name of ['config.json', 'tokenizer_config.json']) {
      put(other, name, Object.fromEntries(Object.entries(jsonOf(files, name)).toReversed()), 2);
    }
    put(other, 'config.json', { ...jsonOf(other, 'config.json'), transformers_version: '4.5' });
    expect(packModel(other)).toEqual(packModel(files));
  });

  test('a classifier without names gets the generic ones, and is without names when read again', () => {
    const packed = packModel(tinyModel(1, undefined, { classCount: 3 }));
    expect(jsonOf(packed, 'config.json')).toMatchObject({
      id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' },
    });
    expect(readCheckpoint(packed).classifier!.labels).toBe(null);
    expect(jsonOf(packModel(tinyModel()), 'config.json')).not.toHaveProperty('id2label');
  });

  test('a file larger than any real one is refused before it is parsed', () => {
    const files = tinyModel();
    const config = new TextDecoder().decode(files.get('config.json'));
    files.set('config.json', new TextEncoder().encode(config.padEnd(2 ** 20)));
    expect(() => packModel(files)).not.toThrow();
    files.set('config.json', new TextEncoder().encode(config.padEnd(2 ** 20 + 1)));
    expect(() => packModel(files)).toThrow('config.json: 1048577 bytes, expected at most 1048576');
  });
});

test('what is not used stays behind, and a directory without tokenizer_config.json gets an empty one', () => {
  const files = tinyModel(1, (weights) =>
    weights.set('cls.bias', { shape: [1], values: Float32Array.of(NaN) }),
  );
  files.delete('tokenizer_config.json');
  const packed = packModel(files.set('README.md', new Uint8Array(3)));
  expect(dtypes(packed).has('cls.bias')).toBe(false);
  expect(new TextDecoder().decode(packed.get('tokenizer_config.json'))).toBe('{}');
  expect([...packed.keys()]).toEqual([...MODEL_FILE_NAMES]);
  expect(packModel(packed)).toEqual(packed);
});
