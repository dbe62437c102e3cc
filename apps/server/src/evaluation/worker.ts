import { parentPort, workerData } from 'node:worker_threads';
import { createEvaluator } from '@chorale/trainer';
import type { Answer } from '../askedThread.ts';
import { readStoredModel } from '../models/storedModel.ts';
import type { EvaluationJob } from '../serverParts.ts';
import type { EvaluationResult } from './evaluatorThread.ts';

/*
 * The thread that measures adapters: tfjs on wasm, so that the server goes on answering while it computes. It takes
 * one Float32Array a message and answers each with one answer.
 */
const { model, config, rows } = workerData as EvaluationJob;
// Read in here: the server's own thread never holds the model
const evaluator = createEvaluator({ files: readStoredModel(model), config, rows, backend: 'wasm' });

async function answerTo(parameters: Float32Array): Promise<Answer<EvaluationResult>> {
  try {
    return { ok: true, value: await (await evaluator).evaluate(parameters) };
  } catch (error) {
    return { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
}

parentPort!.on('message', (parameters: Float32Array) => {
  void answerTo(parameters).then((answer) => parentPort!.postMessage(answer));
});
