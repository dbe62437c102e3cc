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

  function startWorker(): Worker {
    const started = new Worker(workerUrl, { workerData: job });
    started.unref();
    // A thread may also die between two evaluations; without a listener its 'error' would end the server.
    const forget = (): void => {
      if (worker === started) worker = undefined;
    };
    started.on('error', forget).on('exit', forget);
    return started;
  }

  function ask(parameters: Float32Array): Promise<{ accuracy: number; loss: number }> {
    if (disposed) return Promise.reject(new Error('the evaluation was closed'));
    worker ??= startWorker();
    const asked = worker;
    return new Promise((resolve, reject) => {
      const release = (): void => {
        clearTimeout(timer);
        asked.off('message', onMessage).off('error', onError).off('exit', onExit);
      };
      const fail = (message: string): void => {
        release();
        if (worker === asked) worker = undefined;
        void asked.terminate();
        reject(new Error(message));
      };
      const onMessage = (answer: EvaluationAnswer): void => {
        release();
        if (answer.ok) resolve(answer.value);
        else reject(new Error(answer.message));
      };
      const onError = (error: Error): void => fail(error.message);
      const onExit = (exitCode: number): void => fail(`the evaluation thread ended with code ${exitCode}`);
      const timer = setTimeout(() => fail(`no result within ${timeoutMs / 1000} s`), timeoutMs);
      asked.on('message', onMessage).on('error', onError).on('exit', onExit);
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
