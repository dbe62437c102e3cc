import { Worker } from 'node:worker_threads';
import type { Evaluation, EvaluationJob } from '../serverParts.ts';

export type EvaluationAnswer =
  { ok: true; value: { accuracy: number; loss: number } } | { ok: false; message: string };

/** No evaluation may hold up a run for longer. */
const DEFAULT_TIMEOUT_MS = 10 * 60_000;

/**
 * Evaluates in a worker thread, started with the first evaluation. One at a time, in the order asked. A thread that
 * dies or takes too long fails its evaluation and is replaced for the next one.
 */
export function openEvaluatorThread(
  job: EvaluationJob,
  {
    workerUrl = new URL('./worker.ts', import.meta.url),
    timeoutMs = DEFAULT_TIMEOUT_MS,
  }: { workerUrl?: URL; timeoutMs?: number } = {},
): Evaluation {
  let worker: Worker | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let disposed = false;

  function ask(parameters: Float32Array): Promise<{ accuracy: number; loss: number }> {
    if (disposed) return Promise.reject(new Error('the evaluation was closed'));
    worker ??= new Worker(workerUrl, { workerData: job });
    const asked = worker;
    asked.unref();
    return new Promise((resolve, reject) => {
      const done = (act: () => void): void => {
        clearTimeout(timer);
        asked.removeAllListeners();
        act();
      };
      const fail = (message: string): void =>
        done(() => {
          if (worker === asked) worker = undefined;
          // A late 'error' of a thread that is being ended must not end the server.
          asked.on('error', () => {});
          void asked.terminate();
          reject(new Error(message));
        });
      const timer = setTimeout(() => fail(`no result within ${timeoutMs / 1000} s`), timeoutMs);
      asked.once('message', (answer: EvaluationAnswer) =>
        done(() => (answer.ok ? resolve(answer.value) : reject(new Error(answer.message)))),
      );
      asked.once('error', (error: Error) => fail(error.message));
      asked.once('exit', (exitCode) => fail(`the evaluation thread ended with code ${exitCode}`));
      asked.postMessage(parameters);
    });
  }

  return {
    evaluate(parameters) {
      const result = last.then(() => ask(parameters));
      last = result.catch(() => undefined);
      return result;
    },
    dispose() {
      disposed = true;
      void worker?.terminate();
    },
  };
}
