import { Worker } from 'node:worker_threads';

/** What a thread answers to one question. */
export type Answer<Value> = { ok: true; value: Value } | { ok: false; message: string };

export type AskedThread<Question, Value> = {
  /** @param options `urgent`: before all that wait and are not */
  ask(question: Question, options?: { urgent?: boolean }): Promise<Value>;
  dispose(): void;
};

export type ThreadOptions = {
  /** A program that answers each message with one `Answer`. */
  workerUrl: URL;
  workerData?: unknown;
  /** What it does, for error messages: "evaluation". */
  name: string;
  /** Nothing may hold up a run for longer. */
  timeoutMs: number;
};

/**
 * Work that would hold up the event loop, in a worker thread started with the first question. One at a time, in the
 * order asked, urgent ones first. A thread that dies or takes too long fails its question and is replaced for the next one.
 */
export function openAskedThread<Question, Value>(options: ThreadOptions): AskedThread<Question, Value> {
  const { workerUrl, workerData, name, timeoutMs } = options;
  let worker: Worker | undefined;
  const waiting: Record<'urgent' | 'others', (() => Promise<void>)[]> = { urgent: [], others: [] };
  let busy = false;
  let disposed = false;

  function startWorker(): Worker {
    const started = new Worker(workerUrl, { workerData });
    started.unref();
    // A thread may also die between two questions; without a listener its 'error' would end the server.
    const forget = (): void => {
      if (worker === started) worker = undefined;
    };
    started.on('error', forget).on('exit', forget);
    return started;
  }

  function askNow(question: Question): Promise<Value> {
    if (disposed) return Promise.reject(new Error(`the ${name} was closed`));
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
      const onMessage = (answer: Answer<Value>): void => {
        release();
        if (answer.ok) resolve(answer.value);
        else reject(new Error(answer.message));
      };
      const onError = (error: Error): void => fail(error.message);
      const onExit = (exitCode: number): void => fail(`the ${name} thread ended with code ${exitCode}`);
      const timer = setTimeout(() => fail(`no result within ${timeoutMs / 1000} s`), timeoutMs);
      asked.on('message', onMessage).on('error', onError).on('exit', onExit);
      asked.postMessage(question);
    });
  }

  async function work(): Promise<void> {
    busy = true;
    for (;;) {
      const next = waiting.urgent.shift() ?? waiting.others.shift();
      if (next === undefined) break;
      await next();
    }
    busy = false;
  }

  return {
    ask(question, { urgent = false } = {}) {
      const { promise, resolve, reject } = Promise.withResolvers<Value>();
      waiting[urgent ? 'urgent' : 'others'].push(() => askNow(question).then(resolve, reject));
      if (!busy) void work();
      return promise;
    },
    dispose() {
      disposed = true;
      void worker?.terminate();
    },
  };
}
