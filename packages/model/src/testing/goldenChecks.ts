import type { Ops, Tensor } from '@chorale/compute';
import { expectClose } from '@chorale/testing/tolerance';
import type { Checkpoint } from '../checkpoint.ts';
import type { AdapterFactors, LinearAdapter } from '../encoder/adapters.ts';
import { disposeEncoder, uploadEncoder } from '../encoder/encoder.ts';
import { encoderBackward } from '../encoder/encoderBackward.ts';
import { encoderForward } from '../encoder/encoderForward.ts';
import type { LayerModule } from '../encoder/modules.ts';
import { LAYER_MODULES, moduleName, moduleShape } from '../encoder/modules.ts';
import { classify, classifyBackward, oneHotLabels } from '../head/classifier.ts';
import type { Pooling } from '../head/pooler.ts';
import { disposePooler, pool, poolBackward, uploadPooler } from '../head/pooler.ts';
import type { Golden } from './golden.ts';
import { GOLDEN_LABELS, GOLDEN_RANK, GOLDEN_SCALING, goldenBatches, valuesOf } from './golden.ts';

/** Relative to the largest value of a tensor; the issue asks for 1e-4. */
const TOLERANCE = 2e-5;
const POOLINGS: readonly Pooling[] = ['mean', 'cls'];

/** Reads a tensor row by row and frees it. */
async function rowsOf(ops: Ops, tensor: Tensor): Promise<(row: number, count?: number) => Float32Array> {
  const values = await ops.read(tensor);
  const columns = values.length / tensor.shape[0];
  ops.dispose(tensor);
  return (row, count = 1) => values.subarray(row * columns, (row + count) * columns);
}

/**
 * Hidden states, pooled vectors and logits of a golden checkpoint, alone and padded together, with both poolings.
 * @returns the largest difference
 */
export async function checkForward(ops: Ops, golden: Golden): Promise<number> {
  const { checkpoint, sequences } = golden;
  const encoder = uploadEncoder(ops, checkpoint);
  const differences: number[] = [];
  const check = (actual: Float32Array, key: string) => {
    differences.push(expectClose(actual, valuesOf(golden, key), TOLERANCE, `${golden.name}: ${key}`));
  };
  const poolers = POOLINGS.map((pooling) => uploadPooler(ops, checkpoint, pooling));
  for (const { batch, examples } of goldenBatches(golden)) {
    const results = ops.scope(() => {
      const { hidden } = encoderForward(ops, encoder, new Map(), batch, { save: false });
      const heads = POOLINGS.map((pooling, i) => {
        const { pooled } = pool(ops, { hidden, batch, pooling, pooler: poolers[i]! });
        return { pooled, logits: checkpoint.classifier && classify(ops, pooled, goldenHead(ops, golden)) };
      });
      return { hidden, heads };
    });
    const hidden = await rowsOf(ops, results.hidden);
    examples.forEach((n, row) => check(hidden(row * batch.tokens, sequences[n]!.ids.length), `hidden.${n}`));
    for (const [i, pooling] of POOLINGS.entries()) {
      const { pooled, logits } = results.heads[i]!;
      const pooledRows = await rowsOf(ops, pooled);
      const logitRows = logits && (await rowsOf(ops, logits));
      examples.forEach((n, row) => {
        check(pooledRows(row), `${pooling}.pooled.${n}`);
        if (logitRows) check(logitRows(row), `${pooling}.logits.${n}`);
      });
    }
  }
  for (const pooler of poolers) disposePooler(ops, pooler);
  disposeEncoder(ops, encoder);
  return Math.max(...differences);
}

/**
 * Hidden states of the embedded tiny encoder, for a text and a pair, alone and padded together.
 * @param expected of `golden/tiny-encoder.safetensors`
 * @returns the largest difference
 */
export async function checkTinyEncoder(
  ops: Ops,
  checkpoint: Checkpoint,
  expected: Golden['expected'],
): Promise<number> {
  const encoder = uploadEncoder(ops, checkpoint);
  const sequences = [0, 1].map((n) => ({
    ids: Uint32Array.from(expected.get(`ids.${n}`)!.values),
    typeIds: Uint8Array.from(expected.get(`typeIds.${n}`)!.values),
  }));
  const differences: number[] = [];
  for (const { batch, examples } of goldenBatches({ checkpoint, sequences })) {
    const { hidden } = ops.scope(() => encoderForward(ops, encoder, new Map(), batch, { save: false }));
    const rows = await rowsOf(ops, hidden);
    examples.forEach((n, row) => {
      const actual = rows(row * batch.tokens, sequences[n]!.ids.length);
      const what = `tiny encoder: hidden.${n}`;
      differences.push(expectClose(actual, expected.get(`hidden.${n}`)!.values, TOLERANCE, what));
    });
  }
  disposeEncoder(ops, encoder);
  return Math.max(...differences);
}

/**
 * Losses, logits and per-example gradients of every adapter and of the head, alone and padded together, with both
 * poolings.
 * @returns the largest difference
 */
export async function checkGradients(ops: Ops, golden: Golden, factors: AdapterFactors): Promise<number> {
  const encoder = uploadEncoder(ops, golden.checkpoint);
  const adapters = goldenAdapters(ops, golden);
  const differences: number[] = [];
  for (const { batch, examples } of goldenBatches(golden)) {
    for (const pooling of POOLINGS) {
      const check = (actual: Float32Array, key: string) => {
        const what = `${golden.name}: ${pooling}.${key}`;
        const expected = valuesOf(golden, `${pooling}.${key}`);
        differences.push(expectClose(actual, expected, TOLERANCE, what));
      };
      const pooler = uploadPooler(ops, golden.checkpoint, pooling);
      const names: string[] = [];
      const results = ops.scope(() => {
        const forward = encoderForward(ops, encoder, adapters, batch, { save: true, factors });
        const { pooled, saved } = pool(ops, { hidden: forward.hidden, batch, pooling, pooler });
        const head = goldenHead(ops, golden);
        const logits = classify(ops, pooled, head);
        const labels = Array.from(
          { length: batch.exampleCount },
          (_, row) => GOLDEN_LABELS[examples[row] ?? 0]!,
        );
        const { losses, dLogits } = ops.softmaxCrossEntropy(
          logits,
          oneHotLabels(ops, labels, head.bias.shape[0]),
        );
        const back = classifyBackward(ops, dLogits, pooled, head);
        const gradients: Tensor[] = [back.weightGradient, back.biasGradient];
        names.push('head.weight', 'head.bias');
        encoderBackward(ops, encoder, adapters, forward.saved!, poolBackward(ops, back.dPooled, saved), {
          factors,
          onGradient(module, factor, gradient) {
            names.push(`${module}.${factor}`);
            gradients.push(gradient);
          },
        });
        return { logits, losses, gradients };
      });
      disposePooler(ops, pooler);
      expectAllNames(names, adapters.keys(), factors);
      const logits = await rowsOf(ops, results.logits);
      const losses = await rowsOf(ops, results.losses);
      for (const [i, n] of examples.entries()) {
        check(logits(i), `adapted.logits.${n}`);
        check(losses(i), `loss.${n}`);
      }
      for (const [index, tensor] of results.gradients.entries()) {
        const rows = await rowsOf(ops, tensor);
        examples.forEach((n, i) =>
          differences.push(checkGradient(golden, pooling, n, names[index]!, rows(i))),
        );
      }
    }
  }
  for (const { a, b } of adapters.values()) ops.dispose([a, b]);
  disposeEncoder(ops, encoder);
  return Math.max(...differences);
}

const GRADIENT_TOLERANCE = 1e-4;

/**
 * A gradient against the golden one, relative to its own largest value, or to a hundredth of the largest of the whole
 * example where that is more: gradients of keys are differences that nearly cancel when an example has two tokens.
 */
function checkGradient(
  golden: Golden,
  pooling: Pooling,
  example: number,
  name: string,
  actual: Float32Array,
): number {
  const key = `${pooling}.gradient.${name}.${example}`;
  const expected = valuesOf(golden, key);
  const whole = [...golden.expected].filter(
    ([other]) => other.startsWith(`${pooling}.gradient.`) && other.endsWith(`.${example}`),
  );
  const floor = Math.max(...whole.map(([, { values }]) => largest(values))) / 100;
  // One value more, right by definition, sets what the difference is relative to
  return expectClose([...actual, floor], [...expected, floor], GRADIENT_TOLERANCE, `${golden.name}: ${key}`);
}

function largest(values: Float32Array): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
}

/** Adapters on every linear module, the golden ones. */
export function goldenAdapters(ops: Ops, golden: Golden): Map<string, LinearAdapter> {
  const { config } = golden.checkpoint;
  const adapter = (layer: number, module: LayerModule): [string, LinearAdapter] => {
    const name = moduleName(layer, module);
    const { inDim, outDim } = moduleShape(config, module);
    const factor = (which: 'a' | 'b', shape: number[]) =>
      ops.tensor(valuesOf(golden, `adapter.${name}.${which}`), shape);
    return [
      name,
      {
        a: factor('a', [inDim, GOLDEN_RANK]),
        b: factor('b', [GOLDEN_RANK, outDim]),
        scaling: GOLDEN_SCALING,
      },
    ];
  };
  return new Map(
    Array.from({ length: config.layerCount }, (_, layer) =>
      LAYER_MODULES.map((module) => adapter(layer, module)),
    ).flat(),
  );
}

function goldenHead(ops: Ops, { checkpoint }: Golden): { weight: Tensor; bias: Tensor } {
  const { weight, bias, classCount } = checkpoint.classifier!;
  return {
    weight: ops.tensor(weight, [checkpoint.config.hiddenSize, classCount]),
    bias: ops.tensor(bias, [classCount]),
  };
}

function expectAllNames(names: string[], modules: Iterable<string>, { a, b }: AdapterFactors): void {
  const expected = ['head.weight', 'head.bias'];
  for (const module of modules) {
    if (a) expected.push(`${module}.a`);
    if (b) expected.push(`${module}.b`);
  }
  const found = names.toSorted().join(' ');
  if (found !== expected.toSorted().join(' ')) throw new Error(`gradients came of ${found}`);
}
