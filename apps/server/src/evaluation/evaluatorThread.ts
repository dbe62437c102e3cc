import { openAskedThread } from '../askedThread.ts';
import type { Evaluation, EvaluationJob } from '../serverParts.ts';

export type EvaluationResult = { accuracy: number; loss: number };

/** No evaluation may hold up a run for longer. */
const DEFAULT_TIMEOUT_MS = 10 * 60_000;

/** Evaluates in a worker thread, see `openAskedThread`. */
export function openEvaluatorThread(
  job: EvaluationJob,
  {
    workerUrl = new URL('./worker.ts', import.meta.url),
    timeoutMs = DEFAULT_TIMEOUT_MS,
  }: { workerUrl?: URL; timeoutMs?: number } = {},
): Evaluation {
  const thread = openAskedThread<Float32Array, EvaluationResult>({
    workerUrl,
    workerData: job,
    name: 'evaluation',
    timeoutMs,
  });
  return { evaluate: (parameters) => thread.ask(parameters), dispose: () => thread.dispose() };
}
