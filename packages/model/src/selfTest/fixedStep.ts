import type { Activation, Ops, Tensor } from '@chorale/compute';
import { disposeEncoder } from '../encoder/encoder.ts';
import { encoderBackward } from '../encoder/encoderBackward.ts';
import { encoderForward } from '../encoder/encoderForward.ts';
import { classify, classifyBackward, oneHotLabels } from '../head/classifier.ts';
import { disposePooler, pool, poolBackward } from '../head/pooler.ts';
import type { FixedModel } from './fixedEncoder.ts';
import { CLASS_COUNT, LABELS, fixedBatch, fixedValues, uploadFixedModel } from './fixedEncoder.ts';

/** Results of the self-test's step by what they are, in the order in which they are computed. */
export type StepResults = Map<string, Float32Array>;

/**
 * One training step of the fixed model as the trainer makes it, from token ids to the clipped sums: every operation a
 * step needs is in it.
 */
export async function fixedStep(ops: Ops): Promise<StepResults> {
  const model = uploadFixedModel(ops);
  const names: string[] = [];
  const tensors = ops.scope(() => {
    const results: Tensor[] = [];
    const put = (name: string, tensor: Tensor) => {
      names.push(name);
      results.push(tensor);
    };
    for (const kind of ACTIVATIONS) activationResults(ops, kind, put);
    trainingResults(ops, model, put);
    sumResults(ops, put);
    return results;
  });
  const results: StepResults = new Map();
  for (const [i, tensor] of tensors.entries()) results.set(names[i]!, await ops.read(tensor));
  ops.dispose([...tensors, model.head.weight, model.head.bias]);
  for (const { a, b } of model.adapters.values()) ops.dispose([a, b]);
  disposePooler(ops, model.pooler);
  disposeEncoder(ops, model.encoder);
  return results;
}

type Put = (name: string, tensor: Tensor) => void;

const ACTIVATIONS: readonly Activation[] = ['gelu', 'gelu-tanh', 'relu', 'tanh'];

function activationResults(ops: Ops, kind: Activation, put: Put): void {
  const { y, saved } = ops.activation(kind, ops.tensor(fixedValues(128, 500, 4), [4, 32]));
  put(`activation ${kind}`, y);
  const dy = ops.tensor(fixedValues(128, 501, 1), [4, 32]);
  put(`gradient of activation ${kind}`, ops.activationBackward(kind, dy, saved));
}

function trainingResults(ops: Ops, { encoder, adapters, pooler, head }: FixedModel, put: Put): void {
  const batch = fixedBatch();
  const factors = { a: true, b: true };
  const { hidden, saved } = encoderForward(ops, encoder, adapters, batch, { save: true, factors });
  put('hidden state', hidden);
  const pooling = pool(ops, { hidden, batch, pooling: 'mean', pooler });
  put('pooled state', pooling.pooled);
  const logits = classify(ops, pooling.pooled, head);
  put('logits', logits);
  const { losses, dLogits } = ops.softmaxCrossEntropy(logits, oneHotLabels(ops, LABELS, CLASS_COUNT));
  put('losses', losses);
  const back = classifyBackward(ops, dLogits, pooling.pooled, head);
  put('gradient of the head', back.weightGradient);
  put("gradient of the head's bias", back.biasGradient);
  const gradients = [back.weightGradient];
  encoderBackward(ops, encoder, adapters, saved!, poolBackward(ops, back.dPooled, pooling.saved), {
    factors,
    onGradient(module, factor, gradient) {
      put(`gradient of ${factor.toUpperCase()} of ${module}`, gradient);
      gradients.push(gradient);
    },
  });
  const packed = ops.packExamples(gradients); // [N, P]
  put('all gradients', packed);
  put('squared norms of gradients', ops.squaredNorms(packed));
  put('weighted sum of gradients', ops.weightedSum(packed, Float32Array.of(0.5, 0.25)));
  put('one gradient of two', ops.weightedSum(packed, Float32Array.of(0, 1)));
}

/** Sums that must be exact: of products rounded toward zero, of which what leaves the tab is made. */
function sumResults(ops: Ops, put: Put): void {
  const rows = ops.tensor(fixedValues(128, 502, 1024), [2, 64]);
  put('truncated sum', ops.truncatedSum(rows, Float32Array.of(1, 0.5)));
  put('slice of a vector', ops.matrixAt(ops.truncatedSum(rows, Float32Array.of(0, 1)), 8, 6, 8));
}
