import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NamedTensor } from '@chorale/model';
import { readSafetensors, writeSafetensors } from '@chorale/model';
import { model } from './model.ts';
import type { Encoded } from './modelEncode.ts';
import type { ModelReport } from './modelReport.ts';
import { lastLine, runCli } from './testing/runCli.ts';

// Checkpoints and values by an independent implementation (PyTorch): see the README beside them
const GOLDEN = resolve(import.meta.dirname, '../../../packages/model/src/testing/golden');
const expectedOf = (name: string) => readSafetensors(new Uint8Array(readFileSync(join(GOLDEN, name))), name);

const folder = mkdtempSync(join(tmpdir(), 'chorale-model-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Token n is the word "n", so that a text names its ids; 1 is unknown, 2 and 3 stand round a text. */
const VOCABULARY = Array.from({ length: 40 }, (_, id) => ['[PAD]', '[UNK]', '[CLS]', '[SEP]'][id] ?? `${id}`);

/** A golden checkpoint with that vocabulary. */
function goldenDirectory(name: 'bert' | 'distilbert' | 'bert-sharded-f16'): string {
  const directory = join(folder, name);
  cpSync(join(GOLDEN, name), directory, { recursive: true });
  writeFileSync(join(directory, 'vocab.txt'), VOCABULARY.map((word) => `${word}\n`).join(''));
  return directory;
}

/** The golden adapter as PEFT would save it: [outDim, inDim], under the checkpoint's names. */
function adapterDirectory(expected: ReadonlyMap<string, NamedTensor>): string {
  const directory = join(folder, 'adapter');
  mkdirSync(directory);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, { shape, values }] of expected) {
    const [, module, factor] = /^adapter\.(.+)\.([ab])$/.exec(name) ?? [];
    if (module === undefined) continue;
    const [rows, columns] = shape as [number, number];
    const turned = Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]!);
    const peftName = `base_model.model.bert.${module}.lora_${factor!.toUpperCase()}.weight`;
    tensors.set(peftName, { shape: [columns, rows], values: turned });
  }
  writeFileSync(join(directory, 'adapter_model.safetensors'), writeSafetensors(tensors, { format: 'pt' }));
  const config = {
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    r: 2,
    lora_alpha: 3,
    target_modules: ['query', 'key', 'value', 'dense'],
  };
  writeFileSync(join(directory, 'adapter_config.json'), JSON.stringify(config));
  return directory;
}

/** What the command's process would print, without one. */
async function expectRefused(args: string[], start: string, end = ''): Promise<void> {
  const failure: unknown = await model(args).catch((error: unknown) => error);
  const { code, message } = failure as { code: string; message: string };
  expect(`${code}: ${message}`.startsWith(start) ? start : `${code}: ${message}`).toBe(start);
  expect(message.endsWith(end) ? end : message).toBe(end);
}

function expectClose(actual: readonly number[] | undefined, expected: ArrayLike<number>): void {
  expect(actual?.length).toBe(expected.length);
  const worst = Math.max(...actual!.map((value, i) => Math.abs(value - expected[i]!)));
  expect(worst).toBeLessThan(1e-4);
}

describe('encode', () => {
  let bert = '';
  let adapter = '';
  const expected = expectedOf('bert/expected.safetensors');
  const value = (name: string) => expected.get(name)!.values;
  beforeAll(() => {
    bert = goldenDirectory('bert');
    adapter = adapterDirectory(expected);
  });
  const encode = async (...args: string[]): Promise<Encoded> => {
    const { code, stdout, stderr } = await runCli('model', 'encode', ...args, '--json');
    expect([stderr, code]).toEqual(['', 0]);
    expect(stdout.trimEnd()).not.toContain('\n');
    return lastLine(stdout) as Encoded;
  };

  test.each(['wasm', 'cpu'])(
    'a text, a pair and an empty text as PyTorch has them, on %s',
    async (backend) => {
      const texts = [['17 8 31'], ['9', '22 39 12 5'], ['']];
      const ids = [
        [2, 17, 8, 31, 3],
        [2, 9, 3, 22, 39, 12, 5, 3],
        [2, 3],
      ];
      for (const [i, [text, pair]] of texts.entries()) {
        const encoded = await encode(
          bert,
          `--text=${text!}`,
          ...(pair === undefined ? [] : ['--text-pair', pair]),
          '--backend',
          backend,
        );
        expect(encoded.ids).toEqual(ids[i]);
        expectClose(encoded.hidden, value(`hidden.${i}`).slice(0, 16));
        expectClose(encoded.logits, value(`cls.logits.${i}`));
        expect(Object.keys(encoded)).toEqual(['ids', 'hidden', 'logits']);
      }
    },
  );

  test('an adapter in PEFT layout, with both poolings', async () => {
    for (const pooling of ['cls', 'mean']) {
      const encoded = await encode(bert, '--text', '17 8 31', '--adapter', adapter, '--pooling', pooling);
      expectClose(encoded.logits, value(`${pooling}.adapted.logits.0`));
      expect(Math.abs(encoded.hidden[0]! - value('hidden.0')[0]!)).toBeGreaterThan(1e-3);
    }
  });

  test('an embedded model, text to vector as PyTorch has it; it has no classifier', async () => {
    const tiny = expectedOf('tiny-encoder.safetensors');
    const texts = [
      ['The plot is thin, the acting dull.'],
      ['a gripping and funny story', 'The plot is thin'],
    ];
    for (const [i, [text, pair]] of texts.entries()) {
      const pairArgs = pair === undefined ? [] : ['--text-pair', pair];
      const { code, stdout } = await runCli('model', 'encode', 'tiny-encoder', '--text', text!, ...pairArgs);
      expect(code).toBe(0);
      const { ids, hidden, logits } = lastLine(stdout) as Encoded;
      expect(ids).toEqual([...tiny.get(`ids.${i}`)!.values]);
      expectClose(hidden, tiny.get(`hidden.${i}`)!.values.slice(0, 128));
      expect(logits).toBeUndefined();
      expect(stdout).toMatch(new RegExp(`^${ids.length} tokens, 128 values\n`));
    }
  });

  test('a text that is too long is cut, and that is said', async () => {
    const { stdout, stderr } = await runCli('model', 'encode', bert, '--text', '17 '.repeat(40));
    expect(stderr).toBe('cut to 24 tokens, which is what the model has positions for\n');
    expect((lastLine(stdout) as Encoded).ids).toEqual([2, ...Array.from({ length: 22 }, () => 17), 3]);
  });

  test.each<[string, string[], string]>([
    ['no text', [], 'CONFIG_INVALID: expected --text'],
    [
      'an adapter that is not there',
      ['--text', '5', '--adapter', '/no/such'],
      'CONFIG_INVALID: expected /no/such to be a directory',
    ],
    [
      'a directory without an adapter',
      ['--text', '5', '--adapter', GOLDEN],
      'MODEL_INVALID: the adapter has no adapter_config.json',
    ],
    [
      'another pooling',
      ['--text', '5', '--pooling', 'max'],
      'CONFIG_INVALID: --pooling: expected one of cls, mean, got max',
    ],
    [
      'a backend of browsers',
      ['--text', '5', '--backend', 'webgpu'],
      'CONFIG_INVALID: --backend webgpu needs a browser',
    ],
  ])('%s: refused', async (_, args, message) => {
    await expectRefused(['encode', bert, ...args], message);
  });

  test('an adapter of another encoder is refused by its module', async () => {
    const args = ['--text', '5', '--adapter', adapter];
    await expectRefused(
      ['encode', 'tiny-encoder', ...args],
      "MODEL_INVALID: the adapter's bert.encoder.layer.0.",
      'maps 16 to 16 values, expected 128 to 128',
    );
    await expectRefused(
      ['encode', goldenDirectory('distilbert'), ...args],
      'MODEL_INVALID: the adapter has a module bert.encoder.layer.0.',
      'which this encoder has not',
    );
  });
});

describe('inspect', () => {
  const inspect = async (directory: string) => {
    const { code, stdout } = await runCli('model', 'inspect', directory, '--json');
    return { code, report: lastLine(stdout) as ModelReport };
  };

  test('says what is in a directory, in words and as JSON', async () => {
    const { code, stdout } = await runCli('model', 'inspect', 'tiny-encoder');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^model +tiny-encoder\narchitecture +bert\nlayers +2\nhidden size +128 \(2 heads/);
    expect(stdout).toMatch(
      /target +intermediate\.dense: 128 to 512 \(bert\.encoder\.layer\.0\.intermediate\.dense\)/,
    );
    expect(stdout.trimEnd()).toMatch(/It can be used\.$/);

    const { report } = await inspect(goldenDirectory('bert-sharded-f16'));
    expect(report).toMatchObject({
      name: 'bert-sharded-f16',
      encoder: {
        architecture: 'bert',
        layerCount: 2,
        hiddenSize: 16,
        headCount: 2,
        vocabSize: 40,
        maxPositions: 24,
      },
      tokenizer: { kind: 'wordpiece', tokens: 40, pairs: true },
      pooler: true,
      classes: 3,
      problems: [],
    });
    // Embeddings (40 + 24 + 2 + 2) rows of 16; layers of 4 (16² + 16), (16·32 + 32), (32·16 + 16) and 4·16; pooler; classifier
    const parameters = 68 * 16 + 2 * (4 * 272 + 544 + 528 + 64) + 272 + (3 * 16 + 3);
    expect(report.parameters).toBe(parameters);
    expect(report.formats!.F16).toBe(5 + 2 * 16 + 4);
    expect(report.memory!.tableBytes).toBe(2 * (40 + 24 + 2) * 16);
    expect(report.memory!.weightBytes).toBe(4 * (parameters - 66 * 16 - 51));
    expect(report.memory!.step.maxTokens).toBe(24);
    expect(report.targets).toContainEqual({
      target: 'query',
      firstName: 'bert.encoder.layer.0.attention.self.query',
      inDim: 16,
      outDim: 16,
    });
    expect(report.files.map(({ name }) => name)).toContain('model-00002-of-00002.safetensors');
    // Two bytes for each number, and the files beside them
    expect(report.wireBytes).toBeGreaterThan(2 * parameters);
  });

  test('names every problem of a directory and tells the rest', async () => {
    const directory = join(folder, 'broken');
    cpSync(join(GOLDEN, 'bert'), directory, { recursive: true });
    writeFileSync(join(directory, 'vocab.txt'), '[UNK]\n[CLS]\n');
    const weights = readFileSync(join(directory, 'model.safetensors'));
    writeFileSync(join(directory, 'model.safetensors'), weights.subarray(0, 1000));
    const { code, report } = await inspect(directory);
    expect(code).toBe(1);
    expect(report.problems.length).toBe(2);
    expect(report.problems[0]).toMatch(/^model\.safetensors: /);
    expect(report.problems[1]).toMatch(/^vocab\.txt: no token "\[SEP\]"/);
    expect(report).toMatchObject({
      encoder: { hiddenSize: 16 },
      parameters: null,
      tokenizer: null,
      wireBytes: null,
    });
    const { stdout } = await runCli('model', 'inspect', directory);
    expect(stdout).toMatch(/It cannot be used as it is:\n {2}- model\.safetensors: /);
  });

  test('a model only as a pickle, and one of another kind', async () => {
    const directory = join(folder, 'pickle');
    mkdirSync(directory);
    writeFileSync(join(directory, 'config.json'), JSON.stringify({ model_type: 't5' }));
    writeFileSync(join(directory, 'pytorch_model.bin'), '');
    const { code, report } = await inspect(directory);
    expect(code).toBe(1);
    expect(report.problems[0]).toMatch(/only as PyTorch pickles/);
    expect(report.problems[1]).toMatch(/^config\.json: .*t5/);
  });

  test('more tokens than embeddings', async () => {
    const directory = goldenDirectory('bert');
    writeFileSync(join(directory, 'vocab.txt'), [...VOCABULARY, 'one more', ''].join('\n'));
    const { code, report } = await inspect(directory);
    expect([code, report.problems]).toEqual([
      1,
      ['the tokenizer has 41 tokens, the model embeddings for 40: a text with one of the others is refused'],
    ]);
  });

  test.each([
    [['inspect'], 'CONFIG_INVALID: expected a model directory'],
    [['inspect', '/no/such/model'], 'CONFIG_INVALID: expected /no/such/model to be a directory'],
    [['inspect', 'hf:acme/tiny'], 'CONFIG_INVALID: expected a directory, got hf:acme/tiny'],
    [['weigh', 'tiny-encoder'], 'CONFIG_INVALID: expected "inspect" or "encode", got "weigh"'],
  ])('%j is refused', async (args, message) => {
    await expectRefused(args, message);
  });

  test('a refusal is one line and exit code 1', async () => {
    const { code, stdout, stderr } = await runCli('model', 'inspect', '/no/such/model');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^CONFIG_INVALID: expected \/no\/such\/model to be a directory.*\n$/);
  });
});
