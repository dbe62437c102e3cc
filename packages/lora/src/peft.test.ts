import { readCheckpoint, readSafetensors } from '@chorale/model';
import { tinyModel } from '@chorale/model/testing/tinyModel';
import { randomValues } from '@chorale/testing/randomValues';
import { expect, test } from 'vitest';
import { adapterLayout } from './adapterLayout.ts';
import type { AdapterConfig } from './adapterLayout.ts';
import { deriveBasis } from './basis.ts';
import { initialHead } from './parameters.ts';
import { writePeft } from './peft.ts';

const { config: encoder } = readCheckpoint(tinyModel());
const base: AdapterConfig = {
  rank: 3,
  alpha: 6,
  targetModules: ['query', 'intermediate.dense'],
  basis: 'orthonormal',
  head: 'trained',
  seed: 5,
};
const info = { baseModel: 'tiny', labels: ['no', 'yes'], pooling: 'mean' as const };

function exported(change: Partial<AdapterConfig> = {}) {
  const adapter = { ...base, ...change };
  const layout = adapterLayout(encoder, adapter, 2);
  const basis = deriveBasis(layout, adapter);
  const parameters = randomValues(layout.parameterCount, 9);
  const files = writePeft(layout, adapter, basis, parameters, info);
  const config = JSON.parse(new TextDecoder().decode(files.get('adapter_config.json'))) as Record<
    string,
    unknown
  >;
  const tensors = readSafetensors(files.get('adapter_model.safetensors')!, 'adapter_model.safetensors');
  return { adapter, layout, basis, parameters, files, config, tensors };
}

test('names and shapes are those PEFT saves for BertForSequenceClassification', () => {
  const { files, tensors } = exported();
  expect([...files.keys()]).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  const prefix = 'base_model.model.bert.encoder.layer';
  expect([...tensors].map(([name, { shape }]) => [name, shape])).toEqual([
    [`${prefix}.0.attention.self.query.lora_A.weight`, [3, 8]],
    [`${prefix}.0.attention.self.query.lora_B.weight`, [8, 3]],
    [`${prefix}.0.intermediate.dense.lora_A.weight`, [3, 8]],
    [`${prefix}.0.intermediate.dense.lora_B.weight`, [12, 3]],
    [`${prefix}.1.attention.self.query.lora_A.weight`, [3, 8]],
    [`${prefix}.1.attention.self.query.lora_B.weight`, [8, 3]],
    [`${prefix}.1.intermediate.dense.lora_A.weight`, [3, 8]],
    [`${prefix}.1.intermediate.dense.lora_B.weight`, [12, 3]],
    ['base_model.model.classifier.weight', [2, 8]],
    ['base_model.model.classifier.bias', [2]],
  ]);
});

test('A and B are the transposes of ours, module by module', () => {
  const { layout, basis, parameters, tensors } = exported();
  layout.modules.forEach(({ name, inDim, outDim, offset }, i) => {
    const a = tensors.get(`base_model.model.bert.${name}.lora_A.weight`)!.values;
    const b = tensors.get(`base_model.model.bert.${name}.lora_B.weight`)!.values;
    for (let r = 0; r < 3; r++) {
      for (let row = 0; row < inDim; row++) expect(a[r * inDim + row]).toBe(basis[i]![row * 3 + r]);
      for (let out = 0; out < outDim; out++)
        expect(b[out * 3 + r]).toBe(parameters[offset + r * outDim + out]);
    }
  });
});

test('the head: the trained one, or the public frozen one, without bias', () => {
  const trained = exported();
  const weight = trained.tensors.get('base_model.model.classifier.weight')!.values;
  const ours = trained.parameters.subarray(trained.layout.head.offset);
  for (let i = 0; i < 8; i++) {
    for (let c = 0; c < 2; c++) expect(weight[c * 8 + i]).toBe(ours[i * 2 + c]);
  }
  expect(trained.tensors.get('base_model.model.classifier.bias')!.values).toEqual(new Float32Array(2));
  const frozen = exported({ head: 'frozen' });
  const start = initialHead(frozen.layout, frozen.adapter);
  const frozenWeight = frozen.tensors.get('base_model.model.classifier.weight')!.values;
  expect([...frozenWeight.subarray(0, 8)]).toEqual(Array.from({ length: 8 }, (_, i) => start[i * 2]));
});

test('the config says what PEFT needs, and what is ours', () => {
  expect(exported().config).toEqual({
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    base_model_name_or_path: 'tiny',
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
      strategy: 'ffa-lora',
      basis: 'orthonormal',
      seed: 5,
      head: 'trained',
      pooling: 'mean',
      labels: ['no', 'yes'],
    },
  });
});

/** Which modules PEFT adapts: those whose name is a target or ends with a dot and a target. */
const adaptedByPeft = (targets: string[]) =>
  [...readCheckpoint(tinyModel()).weights.keys()]
    .filter(
      (name) => name.startsWith('encoder.layer') && name.endsWith('.weight') && !name.includes('LayerNorm'),
    )
    .map((name) => `bert.${name.slice(0, -'.weight'.length)}`)
    .filter((name) => targets.some((target) => name === target || name.endsWith(`.${target}`)));

test.each<[AdapterConfig['targetModules']]>([
  [['query', 'key', 'value']],
  [['output.dense']],
  [['attention.output.dense']],
  [['attention.output.dense', 'output.dense']],
])('the targets %j name to PEFT exactly the modules that are in the file', (targetModules) => {
  const { config, layout } = exported({ targetModules });
  expect(adaptedByPeft(config.target_modules as string[]).toSorted()).toEqual(
    layout.modules.map(({ name }) => `bert.${name}`).toSorted(),
  );
});
