import { noisyLocalCounts } from '@chorale/privacy';
import { seededNoiseSource } from '@chorale/privacy/simulation';
import type { Binding, RunConfig } from '@chorale/protocol';
import { ChoraleError, encodeUpdate, trainedRangeOf } from '@chorale/protocol';
import type { Evaluation, Evaluator, Example, LabelledRow, ModelFiles } from '@chorale/trainer';
import {
  SequenceClassifier,
  computeClientUpdate,
  countCorrect,
  evaluatorOn,
  openCompute,
  privacyPlanOf,
} from '@chorale/trainer';
import { RandomStream } from './randomStream.ts';

/** All that one seed's rounds need, in a form that goes to another thread. */
export type SeedSetup = {
  backend: 'wasm' | 'cpu';
  seed: number;
  files: ModelFiles;
  config: RunConfig;
  noiseMultiplier: number;
  binding: Binding;
  /** The rows of each client. */
  clients: LabelledRow[][];
  /** null: nothing is tested. */
  testRows: LabelledRow[] | null;
};

/** Something that computes: the model on one backend, in this thread or in another. */
export type SeedDevice = {
  /**
   * One client's round.
   * @param client from 0
   * @returns the encoded update: what a tab would send
   * @throws {ChoraleError} UPDATE_NOT_FINITE: without clipping training may diverge; {DeviceError}
   */
  train(client: number, round: number, parameters: Float32Array): Promise<Uint8Array>;
  /** @param parameters the global adapter, [parameterCount] */
  evaluate(parameters: Float32Array): Promise<Evaluation>;
  close(): Promise<void>;
};

/**
 * Opens a device in this thread.
 * @throws {ModelError} {DeviceError} {ChoraleError} the model or the backend cannot be used
 */
export async function openSeedDevice(setup: SeedSetup): Promise<SeedDevice> {
  const { backend, seed, files, config, noiseMultiplier, binding, clients, testRows } = setup;
  const compute = await openCompute(backend);
  const classifier = new SequenceClassifier(compute, files, config);
  const plan = privacyPlanOf({ config, noiseMultiplier });
  const encoded = new Map<number, Example[]>();
  const examplesOf = (client: number): Example[] => {
    const known = encoded.get(client);
    if (known !== undefined) return known;
    const examples = clients[client]!.map(({ text, textPair, label }) => ({
      sequence: classifier.encode(text, textPair).sequence,
      label,
    }));
    encoded.set(client, examples);
    return examples;
  };
  let evaluator: Evaluator | null = null; // a second copy of the model, for one device only
  return {
    async train(client, round, parameters) {
      const examples = examplesOf(client);
      const random = new RandomStream(seed, `coins of client ${client + 1} in round ${round}`);
      const noise = seededNoiseSource(
        plan.noise,
        new RandomStream(seed, `noise of client ${client + 1} in round ${round}`),
      );
      const localCounts =
        config.localMetrics === undefined
          ? null
          : noisyLocalCounts(plan, await countCorrect(parameters, examples, { compute, classifier }), noise);
      return await notDiverging(client, round, async () => {
        const update = await computeClientUpdate(parameters, {
          compute,
          classifier,
          examples,
          plan,
          random,
          noise,
          range: trainedRangeOf(binding, round),
        });
        const rounding = new RandomStream(seed, `rounding of client ${client + 1} in round ${round}`);
        return encodeUpdate(update, round, binding, localCounts, rounding);
      });
    },
    async evaluate(parameters) {
      if (testRows === null) throw new Error('expected test rows, this simulation has none');
      evaluator ??= evaluatorOn(compute, files, config, testRows);
      return await evaluator.evaluate(parameters);
    },
    close() {
      evaluator?.dispose();
      classifier.dispose();
      compute.dispose();
      return Promise.resolve();
    },
  };
}

/** In a tab numbers that overflow are the device's fault first; here the run's. */
async function notDiverging<Result>(
  client: number,
  round: number,
  train: () => Promise<Result>,
): Promise<Result> {
  try {
    return await train();
  } catch (cause) {
    if (!(cause instanceof Error)) throw cause;
    const tooLarge = cause instanceof ChoraleError && cause.code === 'UPDATE_NOT_FINITE';
    if (!tooLarge && cause.name !== 'NumericalError') throw cause;
    throw new ChoraleError(
      'UPDATE_NOT_FINITE',
      `client ${client + 1} in round ${round}: ${cause.message}; the training diverged, use a smaller learningRate`,
      { cause },
    );
  }
}
