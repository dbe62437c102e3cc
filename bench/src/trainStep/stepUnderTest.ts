import type { Compute } from '@chorale/compute';
import { useOfDevice, type DeviceUse } from '@chorale/compute/testing/deviceCounters';
import { tapeEncoder } from '@chorale/compute/testing/tapeEncoder';
import { initialHead } from '@chorale/lora';
import { noiseSource, webCryptoRandom } from '@chorale/privacy';
import type { RunConfigInput } from '@chorale/protocol';
import { parseRunConfig } from '@chorale/protocol';
import { randomValues } from '@chorale/testing/randomValues';
import { relativeDifference } from '@chorale/testing/tolerance';
import type { Example } from '@chorale/trainer';
import { SequenceClassifier, computeClientUpdate, openAdapter, privacyPlanOf } from '@chorale/trainer';
import { randomModel } from './randomModel.ts';
import type { StepShape } from './shapes.ts';

/** The two must compute the same, or a comparison of their times says nothing. */
const TOLERANCE = 1e-4;
const NOISE_MULTIPLIER = 1;

/** One training step on a device, in the ways that are compared. Each resolves when the device has done it. */
export type StepUnderTest = {
  /** Per-example gradients by our backward pass, as the trainer computes them, and their norms. */
  handWritten: () => Promise<void>;
  /** The same by tfjs's tape. */
  tape: () => Promise<void>;
  /** A whole step of `computeClientUpdate` without privacy. */
  plain: () => Promise<void>;
  /** The same with per-example clipping, whole grid units and noise. */
  private: () => Promise<void>;
  use: { handWritten: DeviceUse; tape: DeviceUse };
  /** Largest difference of the tape's gradients from ours, over the largest of them. */
  difference: number;
  dispose: () => void;
};

/** @throws {Error} the tape's gradients are others than ours */
export async function stepUnderTest(compute: Compute, shape: StepShape): Promise<StepUnderTest> {
  const { ops } = compute;
  const { exampleCount, tokens, hiddenSize, headCount, rank } = shape;
  const model = randomModel(shape);
  const config = parseRunConfig(runConfig(shape));
  const classifier = new SequenceClassifier(compute, model.files, config);
  const { layout, basis } = openAdapter(model.files, config);
  const [range] = classifier.layout.trainedRanges as [{ start: number; end: number }];
  const labels = Array.from({ length: exampleCount }, (_, n) => n % 2);
  const examples = labels.map((label, n): Example => ({
    sequence: { ids: model.ids[n]!, typeIds: new Uint8Array(tokens) },
    label,
  }));
  const parameters = randomValues(layout.parameterCount, 77, 0.02);
  const matrices = layout.modules.map(({ offset, outDim }) =>
    parameters.subarray(offset, offset + rank * outDim),
  );
  const matrixOf = (module: string) => basis[layout.modules.findIndex(({ name }) => name === module)]!;
  const tape = tapeEncoder({
    sizes: { hiddenSize, headCount, rank, classCount: 2, epsilon: 1e-12 },
    scaling: layout.scaling,
    embeddingNorm: model.norms.get('embeddings.LayerNorm')!,
    layers: Array.from({ length: shape.layerCount }, (_, layer) => {
      const prefix = `encoder.layer.${layer}`;
      const linear = (name: string) => model.linears.get(`${prefix}.${name}`)!;
      return {
        query: linear('attention.self.query'),
        key: linear('attention.self.key'),
        value: linear('attention.self.value'),
        attended: linear('attention.output.dense'),
        attentionNorm: model.norms.get(`${prefix}.attention.output.LayerNorm`)!,
        inner: linear('intermediate.dense'),
        outer: linear('output.dense'),
        outputNorm: model.norms.get(`${prefix}.output.LayerNorm`)!,
        queryA: matrixOf(`${prefix}.attention.self.query`),
        valueA: matrixOf(`${prefix}.attention.self.value`),
      };
    }),
    head: initialHead(layout, config.adapter, { classifier: null, labels: config.task.labels }),
  });
  const batch = { exampleCount, tokens, embedded: model.embedded, labels };

  const ours = () =>
    ops.scope(() => classifier.exampleGradients(parameters, examples, exampleCount, range).gradients);
  const theirs = () => tape.exampleGradients(batch, matrices);
  const finish = async (gradients: ReturnType<typeof ours>) => {
    const norms = ops.scope(() => ops.squaredNorms(gradients));
    await ops.read(norms);
    ops.dispose([gradients, norms]);
  };

  const counted = { handWritten: useOfDevice(ours), tape: useOfDevice(theirs) };
  const gradients = [counted.handWritten.result, counted.tape.result] as const;
  const difference = relativeDifference(await ops.read(gradients[1]), await ops.read(gradients[0]));
  ops.dispose([...gradients]);
  if (!(difference <= TOLERANCE)) {
    throw new Error(`the tape's gradients differ by ${difference} from ours, expected at most ${TOLERANCE}`);
  }

  const update = async (privacy: RunConfigInput['privacy'], noiseMultiplier: number) => {
    const plan = privacyPlanOf({
      config: parseRunConfig({ ...runConfig(shape), privacy }),
      noiseMultiplier,
    });
    await computeClientUpdate(parameters, {
      compute,
      classifier,
      examples,
      range,
      plan,
      random: webCryptoRandom,
      noise: noiseSource(plan.noise),
      microBatchSize: exampleCount,
    });
  };
  return {
    handWritten: () => finish(ours()),
    tape: () => finish(theirs()),
    plain: () => update({ unit: 'none' }, 0),
    private: () => update(runConfig(shape).privacy, NOISE_MULTIPLIER),
    use: { handWritten: counted.handWritten.use, tape: counted.tape.use },
    difference,
    dispose: () => {
      classifier.dispose();
      tape.dispose();
    },
  };
}

/** Every example is drawn in the one step of a round. */
function runConfig({ name, tokens, rank, exampleCount }: StepShape): RunConfigInput {
  return {
    name,
    task: { type: 'sequence-classification', labels: ['a', 'b'], maxTokens: tokens, pooling: 'mean' },
    adapter: {
      rank,
      alpha: 2 * rank,
      targetModules: ['query', 'value'],
      basis: 'orthonormal',
      head: 'frozen',
      seed: 1,
    },
    training: {
      localSteps: 1,
      learningRate: 0.1,
      samplingRate: 1,
      expectedBatchSize: exampleCount,
      clippingNorm: 1,
    },
    privacy: { unit: 'example', noiseMultiplier: NOISE_MULTIPLIER, targetDelta: 1e-5 },
    rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 },
  };
}
