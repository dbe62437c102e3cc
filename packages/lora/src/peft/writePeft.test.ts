import { LAYER_MODULES, checkpointModuleName, readSafetensors } from '@chorale/model';
import { describe, expect, test } from 'vitest';
import type { AdapterConfig } from '../adapterLayout.ts';
import { tinyAdapter } from '../testing/tinyAdapter.ts';

function exported(...args: Parameters<typeof tinyAdapter>) {
  const { source, files } = tinyAdapter(...args);
  const config = JSON.parse(new TextDecoder().decode(files.get('adapter_config.json'))) as Record<
    string,
    unknown
  >;
  const tensors = readSafetensors(files.get('adapter_model.safetensors')!, 'adapter_model.safetensors');
  return { ...source, files, json: config, tensors };
}

const namesAndShapes = (tensors: ReturnType<typeof readSafetensors>) =>
  [...tensors].map(([name, { shape }]) => [name.replace('base_model.model.', ''), shape]);

describe('names and shapes are those PEFT saves', () => {
  test('for BertForSequenceClassification', () => {
    const { files, tensors } = exported('bert');
    expect([...files.keys()]).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    expect([...tensors.keys()].every((name) => name.startsWith('base_model.model.'))).toBe(true);
    expect(namesAndShapes(tensors)).toEqual([
      ['bert.encoder.layer.0.attention.self.query.lora_A.weight', [3, 8]],
      ['bert.encoder.layer.0.attention.self.query.lora_B.weight', [8, 3]],
      ['bert.encoder.layer.0.intermediate.dense.lora_A.weight', [3, 8]],
      ['bert.encoder.layer.0.intermediate.dense.lora_B.weight', [12, 3]],
      ['bert.encoder.layer.1.attention.self.query.lora_A.weight', [3, 8]],
      ['bert.encoder.layer.1.attention.self.query.lora_B.weight', [8, 3]],
      ['bert.encoder.layer.1.intermediate.dense.lora_A.weight', [3, 8]],
      ['bert.encoder.layer.1.intermediate.dense.lora_B.weight', [12, 3]],
      ['classifier.weight', [2, 8]],
      ['classifier.bias', [2]],
    ]);
  });

  test('for RobertaForSequenceClassification, whose classifier has the dense module in it', () => {
    const { tensors } = exported('roberta', { targetModules: ['value'] });
    expect(namesAndShapes(tensors)).toEqual([
      ['roberta.encoder.layer.0.attention.self.value.lora_A.weight', [3, 8]],
      ['roberta.encoder.layer.0.attention.self.value.lora_B.weight', [8, 3]],
      ['roberta.encoder.layer.1.attention.self.value.lora_A.weight', [3, 8]],
      ['roberta.encoder.layer.1.attention.self.value.lora_B.weight', [8, 3]],
      ['classifier.out_proj.weight', [2, 8]],
      ['classifier.out_proj.bias', [2]],
      ['classifier.dense.weight', [8, 8]],
      ['classifier.dense.bias', [8]],
    ]);
  });

  test('for DistilBertForSequenceClassification', () => {
    const { tensors } = exported('distilbert', { targetModules: ['key', 'output.dense'] });
    expect(namesAndShapes(tensors)).toEqual([
      ['distilbert.transformer.layer.0.attention.k_lin.lora_A.weight', [3, 8]],
      ['distilbert.transformer.layer.0.attention.k_lin.lora_B.weight', [8, 3]],
      ['distilbert.transformer.layer.0.ffn.lin2.lora_A.weight', [3, 12]],
      ['distilbert.transformer.layer.0.ffn.lin2.lora_B.weight', [8, 3]],
      ['distilbert.transformer.layer.1.attention.k_lin.lora_A.weight', [3, 8]],
      ['distilbert.transformer.layer.1.attention.k_lin.lora_B.weight', [8, 3]],
      ['distilbert.transformer.layer.1.ffn.lin2.lora_A.weight', [3, 12]],
      ['distilbert.transformer.layer.1.ffn.lin2.lora_B.weight', [8, 3]],
      ['classifier.weight', [2, 8]],
      ['classifier.bias', [2]],
    ]);
  });
});

test.each(['ffa-lora', 'lora', 'rolora'] as const)('%s: A and B are the transposes of ours', (strategy) => {
  const { layout, basis, parameters, tensors } = exported('bert', { strategy });
  layout.modules.forEach(({ name, inDim, outDim, offset, aOffset }, i) => {
    const a = tensors.get(`base_model.model.bert.${name}.lora_A.weight`)!.values;
    const b = tensors.get(`base_model.model.bert.${name}.lora_B.weight`)!.values;
    const ourA = aOffset === null ? basis[i]! : parameters.subarray(aOffset);
    for (let r = 0; r < 3; r++) {
      for (let row = 0; row < inDim; row++) expect(a[r * inDim + row]).toBe(ourA[row * 3 + r]);
      for (let out = 0; out < outDim; out++)
        expect(b[out * 3 + r]).toBe(parameters[offset + r * outDim + out]);
    }
  });
});

test('the head: the trained one with its bias, or the frozen one', () => {
  const trained = exported('bert');
  const { head } = trained.layout;
  const weight = trained.tensors.get('base_model.model.classifier.weight')!.values;
  for (let i = 0; i < 8; i++) {
    for (let c = 0; c < 2; c++) expect(weight[c * 8 + i]).toBe(trained.parameters[head.offset + i * 2 + c]);
  }
  const bias = trained.tensors.get('base_model.model.classifier.bias')!.values;
  expect(bias).toEqual(trained.parameters.slice(head.biasOffset, head.biasOffset + 2));
  const frozen = exported('bert', { head: 'frozen' });
  const frozenWeight = frozen.tensors.get('base_model.model.classifier.weight')!.values;
  expect([...frozenWeight]).toEqual(
    [0, 1].flatMap((c) => Array.from({ length: 8 }, (_, i) => frozen.initialHead.weight[2 * i + c])),
  );
  const frozenBias = frozen.tensors.get('base_model.model.classifier.bias')!.values;
  expect(frozenBias).toEqual(frozen.initialHead.bias);
  expect(frozenBias.some((value) => value !== 0)).toBe(true);
});

test('the config says what PEFT needs, and what is ours', () => {
  expect(exported('bert', { strategy: 'rolora', head: 'frozen', basis: 'svd' }).json).toEqual({
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    base_model_name_or_path: 'tiny',
    revision: '0123456789abcdef0123456789abcdef01234567',
    r: 3,
    lora_alpha: 6,
    lora_dropout: 0,
    bias: 'none',
    target_modules: ['query', 'intermediate.dense'],
    modules_to_save: ['classifier'],
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    chorale: {
      strategy: 'rolora',
      basis: 'svd',
      seed: 5,
      head: 'frozen',
      pooling: 'cls',
      textPair: false,
      labels: ['no', 'yes'],
      id2label: { 0: 'no', 1: 'yes' },
    },
  });
});

/** Which modules PEFT adapts: those whose name is a target or ends with a dot and a target. */
function adaptedByPeft({ encoder }: ReturnType<typeof exported>, targets: string[]): string[] {
  const others = [`${encoder.architecture}.pooler.dense`, 'classifier', 'classifier.dense', 'pre_classifier'];
  const layers = [0, 1].flatMap((layer) =>
    LAYER_MODULES.map((module) => checkpointModuleName(encoder, layer, module)),
  );
  return [...layers, ...others].filter((name) =>
    targets.some((target) => name === target || name.endsWith(`.${target}`)),
  );
}

const ALL: AdapterConfig['targetModules'] = [
  'query',
  'key',
  'value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
];

describe.each(['bert', 'roberta', 'distilbert'] as const)('%s', (architecture) => {
  // Every set of the six modules
  test.each(Array.from({ length: 63 }, (_, bits) => [ALL.filter((__, i) => ((bits + 1) >> i) & 1)] as const))(
    'the targets for %j name to PEFT exactly the modules that are in the file',
    (targetModules) => {
      const found = exported(architecture, { targetModules, rank: 1 });
      const inFile = [...found.tensors.keys()].flatMap(
        (name) => /^base_model\.model\.(.*)\.lora_A\.weight$/.exec(name)?.[1] ?? [],
      );
      expect(inFile).toHaveLength(2 * targetModules.length);
      expect(adaptedByPeft(found, found.json.target_modules as string[]).toSorted()).toEqual(
        inFile.toSorted(),
      );
    },
  );
});

test("targets are short and in the checkpoint's own words where that says enough", () => {
  const targetsOf = (...args: Parameters<typeof exported>) => exported(...args).json.target_modules;
  expect(targetsOf('distilbert', { targetModules: ALL })).toEqual([
    'q_lin',
    'k_lin',
    'v_lin',
    'out_lin',
    'lin1',
    'lin2',
  ]);
  expect(targetsOf('bert', { targetModules: ALL })).toEqual([...ALL]);
  expect(targetsOf('roberta', { targetModules: ['output.dense'] })).toEqual([
    'roberta.encoder.layer.0.output.dense',
    'roberta.encoder.layer.1.output.dense',
  ]);
});
