import { z } from 'zod';
import { ChoraleError } from './errors.ts';

/** The linear modules of a transformer layer that LoRA can adapt, by the names Hugging Face PEFT uses. */
export const TARGET_MODULES = [
  'query',
  'key',
  'value',
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
] as const;

const positive = z.number().positive();
const count = z.int().min(1);

const taskSchema = z.strictObject({
  type: z.literal('sequence-classification'),
  /** Label names; their order gives the class indices. */
  labels: z.array(z.string().trim().min(1).max(60)).min(2).max(200),
  /** Longest token sequence, special tokens included; longer texts are cut. */
  maxTokens: z.int().min(8).max(512).default(64),
  /** How token vectors become one vector: mean over the real tokens, or the first token (through the model's pooler). */
  pooling: z.enum(['mean', 'cls']).default('mean'),
  /** Each row is a pair of texts (question and answer, premise and hypothesis) that the model reads together. */
  textPair: z.boolean().default(false),
});

const adapterSchema = z.strictObject({
  /** `ffa-lora`: B only. `lora`: A and B, whose averages do not fit each other. `rolora`: B and A in turns, B first. */
  strategy: z.enum(['ffa-lora', 'lora', 'rolora']).default('ffa-lora'),
  rank: z.int().min(1).max(256).default(8),
  alpha: positive.default(8),
  targetModules: z.array(z.enum(TARGET_MODULES)).min(1).default(['query', 'value']),
  /** How A starts: from the seed, or as the first right singular vectors of the frozen weight (`svd`). */
  basis: z.enum(['orthonormal', 'kaiming', 'svd']).default('orthonormal'),
  /** `trained`: the classifier's weight and bias are trained, clipped, noised and averaged as two more tensors. */
  head: z.enum(['frozen', 'trained']).default('trained'),
  seed: z.int().min(0).max(0xffffffff).default(1),
});

const trainingSchema = z.strictObject({
  /** Noised SGD steps a tab takes per round; fixed, never shortened on local data. */
  localSteps: z.int().min(1).max(10_000).default(10),
  learningRate: positive.max(1e6),
  /** Poisson inclusion probability of each example in each step. */
  samplingRate: z.number().gt(0).max(1),
  /** Public divisor of the noisy gradient sum; never the batch size that was drawn. */
  expectedBatchSize: positive.max(1e9),
  /**
   * L2 bound over all trained tensors: of one example's gradient when privacy.unit is `example`, of the whole change of a
   * round when it is `contributor`.
   */
  clippingNorm: z.number().min(1e-6).max(1e6),
  /** `flat`: scale down what is over clippingNorm; `automatic`: scale everything to about clippingNorm (Bu et al. 2022). */
  clipping: z.enum(['flat', 'automatic']).default('flat'),
});

function protectedUnit<Unit extends 'example' | 'contributor'>(unit: Unit) {
  return z
    .strictObject({
      unit: z.literal(unit),
      targetEpsilon: positive.optional(),
      /** Noise standard deviation over the sensitivity: clippingNorm for `example`, twice that for `contributor`. */
      noiseMultiplier: positive.optional(),
      /** Well under one over the number of rows; more than 0.01 would make an epsilon say nothing. */
      targetDelta: z.number().gt(0).max(0.01),
      /** `discrete-gaussian`: the exact sampler, slower; nothing about it rests on floating point. */
      noise: z.enum(['rounded-gaussian', 'discrete-gaussian']).default('rounded-gaussian'),
    })
    .refine((p) => (p.targetEpsilon === undefined) !== (p.noiseMultiplier === undefined), {
      error: 'give either targetEpsilon or noiseMultiplier, not both and not neither',
    });
}

const privacySchema = z.discriminatedUnion('unit', [
  protectedUnit('example'),
  protectedUnit('contributor'),
  z.strictObject({ unit: z.literal('none') }),
]);

const roundsSchema = z
  .strictObject({
    count: z.int().min(1).max(100_000),
    cohortSize: count,
    minimumUpdates: count,
    deadlineSeconds: z.number().min(1).max(86_400).default(120),
    /**
     * How many more than cohortSize are asked, as a fraction of it: a round closes with the first cohortSize updates, so
     * that a few slow devices do not hold it up. What the others have not sent by then stays with them, uncharged.
     */
    overSelection: z.number().min(0).max(1).default(0),
  })
  .refine((r) => r.minimumUpdates <= r.cohortSize, {
    error: 'minimumUpdates must not be over cohortSize',
    path: ['minimumUpdates'],
  });

const serverOptimizerSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('sgd'), learningRate: positive.default(1) }),
  z.strictObject({
    name: z.literal('momentum'),
    learningRate: positive.default(1),
    momentum: z.number().min(0).lt(1).default(0.9),
  }),
  z.strictObject({
    name: z.literal('adam'),
    learningRate: positive.default(0.01),
    beta1: z.number().min(0).lt(1).default(0.9),
    beta2: z.number().min(0).lt(1).default(0.99),
    /** Added to the root of the second moment (tau of Reddi et al. 2021). */
    tau: positive.default(1e-3),
  }),
]);

const aggregationSchema = z
  .strictObject({
    /** `trimmed-mean`: in every parameter the largest and smallest values are left out. */
    rule: z.enum(['mean', 'trimmed-mean']).default('mean'),
    /** Fraction left out at each end; only for `trimmed-mean`, 0.1 where it is not given. */
    trimFraction: z.number().gt(0).lt(0.5).optional(),
    /**
     * `noise-law`: an update whose norm no honest tab's noise and clipped gradients can have is refused. Without noise
     * (privacy.unit `none`) there is no such law, and nothing is refused for it.
     */
    normWindow: z.enum(['noise-law', 'off']).default('noise-law'),
    serverOptimizer: serverOptimizerSchema.prefault({ name: 'sgd' }),
  })
  .refine(({ rule, trimFraction }) => rule === 'trimmed-mean' || trimFraction === undefined, {
    error: "only for rule 'trimmed-mean'",
    path: ['trimFraction'],
  });

/**
 * One run, as a file holds it (design, section 4). Unknown keys are errors. After `parseRunConfig` it is frozen and
 * never changes; with the noise, the model's hashes and the basis hash it becomes the `RunPlan` contributors agree to.
 */
export const runConfigSchema = z
  .strictObject({
    name: z.string().trim().min(1).max(80),
    /** One sentence for contributors: what the run is for. */
    purpose: z.string().trim().max(400).default(''),
    /** Who runs it, as contributors should read it. */
    operator: z.string().trim().max(120).default(''),
    /** An embedded model's name, a directory in Hugging Face layout, or `hf:organisation/name@revision`. */
    model: z.string().min(1).default('tiny-encoder'),
    task: taskSchema,
    adapter: adapterSchema.prefault({}),
    training: trainingSchema,
    privacy: privacySchema,
    rounds: roundsSchema,
    aggregation: aggregationSchema.prefault({}),
    /**
     * How values are written in an update: `f16` and `int8` with one scale a tensor and stochastic rounding, which is
     * unbiased and works on values that are noised already.
     */
    transport: z.strictObject({ encoding: z.enum(['f32', 'f16', 'int8']).default('f32') }).prefault({}),
    /** `invite`: nobody joins without a code that the admin made. */
    access: z.enum(['open', 'invite']).default('open'),
    /** A public labelled file beside the config, on which the server measures each round. */
    evaluation: z.strictObject({ file: z.string().min(1) }).optional(),
    /**
     * Asks each tab for how many of its own rows the global adapter gets right, and of how many: two counts with noise of
     * noiseMultiplier times their sensitivity sqrt(2), accounted with the round. Without it no tab reports anything.
     */
    localMetrics: z.strictObject({ noiseMultiplier: positive }).optional(),
  })
  .refine((config) => config.localMetrics === undefined || config.privacy.unit === 'example', {
    error: "needs privacy.unit 'example': counts of other units have no bound",
    path: ['localMetrics'],
  });

export type RunConfig = z.infer<typeof runConfigSchema>;
export type RunConfigInput = z.input<typeof runConfigSchema>;

/**
 * Checks a run config and fills its defaults.
 * @param value    parsed JSON
 * @param sourceName what to call it in the error ("run.json")
 * @throws {ChoraleError} CONFIG_INVALID, with one line per problem: where, what was expected, what came
 */
export function parseRunConfig(value: unknown, sourceName = 'run config'): RunConfig {
  const result = runConfigSchema.safeParse(value);
  if (!result.success) {
    throw new ChoraleError('CONFIG_INVALID', `${sourceName}: ${describeIssues(result.error)}`);
  }
  return deepFreeze(result.data);
}

/** One line per problem: `path: what was expected`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues.map((issue) => `${issue.path.join('.') || '(top level)'}: ${issue.message}`).join('; ');
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) deepFreeze(inner);
    Object.freeze(value);
  }
  return value;
}
