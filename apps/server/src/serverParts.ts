import type { RunConfig, RunPlan } from '@chorale/protocol';

/** A model directory in Hugging Face layout: file name → bytes. */
export type ModelFiles = Map<string, Uint8Array>;

/** One public test row; `label` is an index into the task's labels. */
export type LabelledRow = { text: string; label: number };

export type EvaluationJob = { files: ModelFiles; config: RunConfig; rows: LabelledRow[] };

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
  /** The files of a model directory that tabs load. */
  modelFileNames: readonly string[];
  describeAdapter(
    files: ModelFiles,
    config: RunConfig,
  ): Promise<{ basisHash: string; parameterCount: number; initialParameters: Float32Array }>;
  /** The global adapter as Hugging Face PEFT's files. */
  exportPeft(files: ModelFiles, config: RunConfig, parameters: Float32Array): Map<string, Uint8Array>;
  parseLabelledRows(
    bytes: Uint8Array,
    fileName: string,
    labels: readonly string[],
  ): { rows: readonly LabelledRow[] };
  resolveNoiseMultiplier(config: RunConfig): number;
  /** Prices so many rounds (at least one) of a run that protects its contributors. Not on the event loop. */
  priceRounds(plan: RunPlan, rounds: number, urgency: PricingUrgency): Promise<Price>;
  /** Noise in each of the two counts a contributor reports of her own rows; null when the run asks for none. */
  localCountsNoiseStdDev(plan: RunPlan): number | null;
  openEvaluation(job: EvaluationJob): Evaluation;
};
