import type { PlanTensor, RunConfig, RunPlan, TrainedRange } from '@chorale/protocol';
import type { StoredModel } from './models/storedModel.ts';

/** A model directory in Hugging Face layout: file name → bytes. */
export type ModelFiles = Map<string, Uint8Array>;

/** One public test row, of two texts where the task is one of pairs; `label` is an index into the task's labels. */
export type LabelledRow = { text: string; textPair: string | null; label: number };

export type EvaluationJob = { model: StoredModel; config: RunConfig; rows: LabelledRow[] };

/** What server and tabs derive from model and config, each for itself. */
export type AdapterFacts = {
  basisHash: string;
  parameterCount: number;
  tensors: PlanTensor[];
  trainedRanges: TrainedRange[];
  /** The global adapter of version 0, shape [parameterCount]. */
  initialParameters: Float32Array;
};

/** Measures global adapters on the public test rows, one after the other. */
export type Evaluation = {
  /** @param parameters the global adapter, shape [parameterCount] */
  evaluate(parameters: Float32Array): Promise<{ accuracy: number; loss: number }>;
  dispose(): void;
};

/** What rounds cost a contributor. */
export type Price = {
  /** Rounded up. */
  epsilon: number;
  /** Why it is not the tight accountant's, for people; null when it is. */
  reason: string | null;
};

/** `urgent`: a round waits for it, so it is priced before everything else that is asked. */
export type PricingUrgency = 'urgent' | 'background';

/**
 * What the server takes from the packages that know models and privacy. Passed in rather than imported, so that the
 * server can be tested without a model; `trainerParts` is the real one.
 */
export type ServerParts = {
  /**
   * Of all files of a directory or hub repository those to read.
   * @throws {Error} code MODEL_INVALID: what is missing
   */
  neededModelFiles(names: readonly string[]): string[];
  /** What tabs load of a model; the same bytes on every machine. @throws {Error} code MODEL_INVALID */
  packModel(files: ModelFiles): ModelFiles;
  /** @param files a packed model, as tabs have it */
  describeAdapter(files: ModelFiles, config: RunConfig): Promise<AdapterFacts>;
  /**
   * The global adapter as Hugging Face PEFT's files.
   * @param files a packed model
   * @param base what the files call it: its name, and its commit on a hub
   */
  exportPeft(
    files: ModelFiles,
    config: RunConfig,
    parameters: Float32Array,
    base: { baseModel: string; revision: string | null },
  ): Map<string, Uint8Array>;
  parseLabelledRows(
    bytes: Uint8Array,
    fileName: string,
    task: Pick<RunConfig['task'], 'labels' | 'textPair'>,
  ): { rows: readonly LabelledRow[] };
  resolveNoiseMultiplier(config: RunConfig): number;
  /** Prices so many rounds (at least one) of a run that protects its contributors. Not on the event loop. */
  priceRounds(plan: RunPlan, rounds: number, urgency: PricingUrgency): Promise<Price>;
  /** Noise in each of the two counts a contributor reports of her own rows; null when the run asks for none. */
  localCountsNoiseStdDev(plan: RunPlan): number | null;
  openEvaluation(job: EvaluationJob): Evaluation;
};
