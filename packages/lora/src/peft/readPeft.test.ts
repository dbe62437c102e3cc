import type { NamedTensor } from '@chorale/model';
import { ModelError, readSafetensors, writeSafetensors } from '@chorale/model';
import { randomValues } from '@chorale/testing/randomValues';
import { describe, expect, test } from 'vitest';
import { adapterLayout } from '../adapterLayout.ts';
import { EXPORT_INFO, tinyAdapter } from '../testing/tinyAdapter.ts';
import { configOfPeft, parametersFromPeft } from './adapterFromPeft.ts';
import { readPeft } from './readPeft.ts';
import { writePeft } from './writePeft.ts';

type Json = Record<string, unknown>;
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const ARCHITECTURES = ['bert', 'roberta', 'distilbert'] as const;
const STRATEGIES = ['ffa-lora', 'lora', 'rolora'] as const;

describe.each(ARCHITECTURES)('an export of ours, %s', (architecture) => {
  test.each(
    STRATEGIES.flatMap((strategy) => [[strategy, 'trained'] as const, [strategy, 'frozen'] as const]),
  )('%s with a %s head comes back bit by bit', (strategy, head) => {
    const targetModules = ['value', 'attention.output.dense', 'output.dense'] as const;
    const { source, files } = tinyAdapter(architecture, { strategy, head, targetModules, basis: 'svd' });
    source.parameters.set([-0, 1e-40, 3.4e38]); // a sign, a subnormal and nearly the largest
    files.clear();
    for (const [name, bytes] of writePeft(source, EXPORT_INFO)) files.set(name, bytes);
    const peft = readPeft(files);
    expect(peft.config).toMatchObject({
      baseModel: 'tiny',
      revision: EXPORT_INFO.revision,
      rank: 3,
      alpha: 6,
    });
    const { baseModel: _, revision: __, ...info } = EXPORT_INFO;
    expect(peft.config.chorale).toEqual({ strategy, basis: 'svd', seed: 5, head, ...info });
    const parameters = parametersFromPeft(source.encoder, source.layout, source, peft);
    expect(new Uint32Array(parameters.buffer)).toEqual(new Uint32Array(source.parameters.slice().buffer));
    const { weight, bias } = source.pooler!;
    expect(peft.pooler).toEqual(architecture === 'roberta' ? { weight, bias } : null);
    // And once more, byte by byte
    const again = writePeft({ ...source, parameters }, EXPORT_INFO);
    expect(again.get('adapter_model.safetensors')).toEqual(files.get('adapter_model.safetensors'));
    expect(again.get('adapter_config.json')).toEqual(files.get('adapter_config.json'));
  });

  test('as a lora adapter all of it stands in the parameters', () => {
    const { source, files } = tinyAdapter(architecture);
    const peft = readPeft(files);
    const config = configOfPeft(source.encoder, peft);
    expect(config).toMatchObject({ strategy: 'lora', rank: 3, alpha: 6, head: 'trained' });
    expect(config.targetModules).toEqual(['query', 'intermediate.dense']);
    const layout = adapterLayout(source.encoder, config, 2);
    const parameters = parametersFromPeft(source.encoder, layout, { ...source, basis: [] }, peft);
    layout.modules.forEach(({ offset, aOffset, inDim, outDim }, i) => {
      expect(parameters.slice(aOffset!, aOffset! + 3 * inDim)).toEqual(source.basis[i]);
      const from = source.layout.modules[i]!.offset;
      expect(parameters.slice(offset, offset + 3 * outDim)).toEqual(
        source.parameters.slice(from, from + 3 * outDim),
      );
    });
    const { head } = layout;
    expect(parameters.slice(head.offset, head.biasOffset + 2)).toEqual(
      source.parameters.slice(source.layout.head.offset),
    );
  });
});

/** An adapter as PEFT 0.17 writes it for BERT: other fields, another order, no field of ours. */
function ordinary(
  change: (parts: { config: Json; tensors: Map<string, NamedTensor> }) => void = () => {},
): Map<string, Uint8Array> {
  const prefix = 'base_model.model.bert.encoder.layer';
  const tensors = new Map<string, NamedTensor>();
  tensors.set('base_model.model.classifier.bias', { shape: [3], values: Float32Array.of(0.1, 0.2, 0.3) });
  tensors.set('base_model.model.classifier.weight', { shape: [3, 8], values: randomValues(24, 1) });
  for (const layer of [1, 0]) {
    for (const module of ['attention.self.query', 'attention.self.value']) {
      const name = `${prefix}.${layer}.${module}`;
      tensors.set(`${name}.lora_B.weight`, { shape: [8, 2], values: randomValues(16, layer) });
      tensors.set(`${name}.lora_A.weight`, { shape: [2, 8], values: randomValues(16, layer + 5) });
    }
  }
  const config: Json = {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: 'some/model',
    bias: 'none',
    corda_config: null,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: 16,
    lora_bias: false,
    lora_dropout: 0.1,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: ['classifier', 'score'],
    peft_type: 'LORA',
    qalora_group_size: 16,
    r: 2,
    rank_pattern: {},
    revision: null,
    target_modules: ['value', 'query'],
    target_parameters: null,
    task_type: 'SEQ_CLS',
    trainable_token_indices: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: false,
  };
  change({ config, tensors });
  return new Map([
    ['adapter_config.json', json(config)],
    ['adapter_model.safetensors', writeSafetensors(tensors, { format: 'pt' })],
  ]);
}

test("an ordinary adapter of PEFT's is read", () => {
  const { source } = tinyAdapter('bert');
  const files = ordinary();
  const peft = readPeft(files);
  expect(peft.config).toEqual({
    baseModel: 'some/model',
    revision: null,
    rank: 2,
    alpha: 16,
    targetModules: ['value', 'query'],
    chorale: null,
  });
  const config = configOfPeft(source.encoder, peft);
  expect(config.targetModules).toEqual(['query', 'value']);
  const layout = adapterLayout(source.encoder, config, 3);
  expect(layout.scaling).toBe(8);
  const parameters = parametersFromPeft(source.encoder, layout, { ...source, basis: [] }, peft);
  const stored = readSafetensors(files.get('adapter_model.safetensors')!);
  const last = layout.modules.at(-1)!;
  const name = 'base_model.model.bert.encoder.layer.1.attention.self.value';
  const [a, b] = ['A', 'B'].map((factor) => stored.get(`${name}.lora_${factor}.weight`)!.values);
  for (let r = 0; r < 2; r++) {
    for (let i = 0; i < 8; i++) {
      expect(parameters[last.aOffset! + 2 * i + r]).toBe(a![8 * r + i]);
      expect(parameters[last.offset + 8 * r + i]).toBe(b![2 * i + r]);
    }
  }
  expect(parameters.slice(layout.head.biasOffset, layout.head.biasOffset + 3)).toEqual(
    Float32Array.of(0.1, 0.2, 0.3),
  );
});

test('a pattern of targets is accepted, and an adapter without a classifier leaves it to the checkpoint', () => {
  const files = ordinary(({ config, tensors }) => {
    config.target_modules = '.*(query|value)';
    config.modules_to_save = null;
    for (const name of [...tensors.keys()].filter((key) => key.includes('classifier'))) tensors.delete(name);
  });
  const { source } = tinyAdapter('bert');
  const peft = readPeft(files);
  expect(peft.head).toBeNull();
  expect(configOfPeft(source.encoder, peft).head).toBe('frozen');
});

describe('another method than plain LoRA is refused by name', () => {
  test.each([
    ['peft_type', 'IA3'],
    ['task_type', 'CAUSAL_LM'],
    ['use_rslora', true],
    ['use_dora', true],
    ['use_qalora', true],
    ['rank_pattern', { query: 4 }],
    ['alpha_pattern', { query: 4 }],
    ['fan_in_fan_out', true],
    ['layer_replication', [[0, 2]]],
    ['lora_bias', true],
    ['bias', 'lora_only'],
    ['target_parameters', ['experts']],
    ['trainable_token_indices', [1]],
    ['init_lora_weights', 'pissa'],
    ['init_lora_weights', 'olora'],
    ['loftq_config', { bits: 4 }],
    ['modules_to_save', ['classifier', 'embeddings']],
    ['r', 0],
    ['r', 2.5],
    ['r', '2'],
    ['lora_alpha', -1],
    ['lora_alpha', null],
    ['target_modules', null],
    ['target_modules', [3]],
  ])('%s %j', (key, value) => {
    const files = ordinary(({ config }) => {
      config[key] = value;
    });
    expect(() => readPeft(files)).toThrow(ModelError);
    expect(() => readPeft(files)).toThrow(`adapter_config.json: ${key} is ${JSON.stringify(value)}`);
  });
});

describe('a tensor that cannot be is refused by name', () => {
  const prefix = 'base_model.model.bert.encoder.layer.0.attention.self.query';
  const values = (count: number) => new Float32Array(count);
  test.each<[string, (tensors: Map<string, NamedTensor>) => unknown, RegExp]>([
    [
      'B missing',
      (t) => t.delete(`${prefix}.lora_B.weight`),
      /query\.lora_A\.weight: its lora_B.weight is missing/,
    ],
    [
      'A missing',
      (t) => t.delete(`${prefix}.lora_A.weight`),
      /query\.lora_B\.weight: its lora_A.weight is missing/,
    ],
    [
      'another rank',
      (t) => t.set(`${prefix}.lora_A.weight`, { shape: [3, 8], values: values(24) }),
      /query\.lora_A\.weight: has shape \[3, 8\], expected \[2, inDim\]/,
    ],
    [
      'B the wrong way round',
      (t) => t.set(`${prefix}.lora_B.weight`, { shape: [2, 8], values: values(16) }),
      /query\.lora_B\.weight: has shape \[2, 8\], expected \[outDim, 2\]/,
    ],
    [
      'not a number',
      (t) => t.get(`${prefix}.lora_B.weight`)!.values.fill(Number.NaN, 3, 4),
      /query\.lora_B\.weight holds NaN at 3/,
    ],
    [
      'a magnitude vector',
      (t) => t.set(`${prefix}.lora_magnitude_vector`, { shape: [8], values: values(8) }),
      /lora_magnitude_vector: neither lora_A/,
    ],
    [
      'without the prefix',
      (t) => t.set('bert.x.lora_A.weight', { shape: [2, 8], values: values(16) }),
      /bert\.x\.lora_A\.weight: expected a name that starts with base_model\.model\./,
    ],
    [
      'no target',
      (t) => {
        for (const factor of ['A', 'B'])
          t.set(`base_model.model.bert.pooler.dense.lora_${factor}.weight`, {
            shape: factor === 'A' ? [2, 8] : [8, 2],
            values: values(16),
          });
      },
      /target_modules of adapter_config\.json has no bert\.pooler\.dense/,
    ],
    [
      'a classifier without bias',
      (t) => t.delete('base_model.model.classifier.bias'),
      /classifier\.weight: its bias/,
    ],
    [
      'a classifier of two sizes',
      (t) => t.set('base_model.model.classifier.bias', { shape: [2], values: values(2) }),
      /classifier\.bias: has shape \[2\], expected \[3\]/,
    ],
    [
      'two classifiers',
      (t) => {
        t.set('base_model.model.classifier.out_proj.weight', { shape: [3, 8], values: values(24) });
        t.set('base_model.model.classifier.out_proj.bias', { shape: [3], values: values(3) });
      },
      /classifier\.out_proj\.weight: neither/,
    ],
  ])('%s', (_, change, message) => {
    const files = ordinary(({ tensors }) => void change(tensors));
    expect(() => readPeft(files)).toThrow(ModelError);
    expect(() => readPeft(files)).toThrow(message);
  });

  test('no adapter at all, no file, no JSON', () => {
    const empty = ordinary(({ tensors }) => {
      for (const name of [...tensors.keys()].filter((key) => key.includes('lora_'))) tensors.delete(name);
    });
    expect(() => readPeft(empty)).toThrow(/no lora_A\.weight in it/);
    const files = ordinary();
    expect(() => readPeft(new Map([...files].slice(0, 1)))).toThrow(/no adapter_model\.safetensors/);
    files.set('adapter_config.json', new TextEncoder().encode('{'));
    expect(() => readPeft(files)).toThrow(/not valid JSON/);
    files.set('adapter_config.json', json([]));
    expect(() => readPeft(files)).toThrow(/expected the file to be an object/);
  });

  test.each([
    ['strategy', 'other'],
    ['basis', 3],
    ['seed', -1],
    ['pooling', 'max'],
    ['textPair', 'no'],
    ['labels', ['one']],
  ])('our own field %s as %j', (key, value) => {
    const { files } = tinyAdapter('bert');
    const config = JSON.parse(new TextDecoder().decode(files.get('adapter_config.json'))) as {
      chorale: Json;
    };
    config.chorale[key] = value;
    files.set('adapter_config.json', json(config));
    expect(() => readPeft(files)).toThrow(new RegExp(`chorale\\.${key}`));
  });
});

describe('an adapter that is not of this layout is refused', () => {
  const { source, files } = tinyAdapter('bert');
  const read = (change: Partial<typeof source>, adapter = readPeft(files)) =>
    parametersFromPeft(
      change.encoder ?? source.encoder,
      change.layout ?? source.layout,
      { ...source, ...change },
      adapter,
    );

  test('another encoder, alpha, module, head or basis', () => {
    const other = tinyAdapter('distilbert');
    expect(() => read({}, readPeft(other.files))).toThrow(/no module bert\.encoder\.layer\.0/);
    expect(() => configOfPeft(source.encoder, readPeft(other.files))).toThrow(/has a module distilbert/);
    const { layout } = tinyAdapter('bert', { alpha: 7 }).source;
    expect(() => read({ layout })).toThrow(/expected rank 3 and alpha 7/);
    const fewer = tinyAdapter('bert', { targetModules: ['query'] }).source;
    expect(() =>
      read({ layout: fewer.layout, basis: fewer.basis.slice(0, 1).concat(source.basis[2]!) }),
    ).toThrow(/one module more, bert\.encoder\.layer\.0\.intermediate\.dense/);
    const basis = source.basis.map((a) => a.slice());
    basis[3]![7]! += 1e-7;
    expect(() => read({ basis })).toThrow(/value at 7 of A of bert\.encoder\.layer\.1\.intermediate\.dense/);
    const classes = adapterLayout(source.encoder, source.config, 3);
    expect(() => read({ layout: classes })).toThrow(/expected a classifier of 8 times 3/);
    const frozen = tinyAdapter('bert', { head: 'frozen' }).source;
    expect(() => read({ layout: frozen.layout })).toThrow(/the weight of the frozen classifier/);
    const headless = { ...readPeft(files), head: null };
    expect(() => read({}, headless)).toThrow(/has no classifier/);
    const wide = readPeft(files);
    wide.modules[0]!.outDim = 9;
    expect(() => read({}, wide)).toThrow(/maps 8 to 9 values, expected 8 to 8/);
  });
});
