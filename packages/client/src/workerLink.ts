import type { Remote, TransferHandler } from 'comlink';
import { transferHandlers } from 'comlink';
import type { WireError } from '@chorale/protocol';
import { fromWireError, wireError } from '@chorale/protocol';
import type { TrainerHost } from './trainerHost.ts';

/** The trainer as the page sees it: every call is a message to the worker. */
export type TrainerRemote = Remote<TrainerHost>;

/**
 * What opening a worker gives: the trainer in it, and the way to end it. A worker that cannot start or dies answers no
 * call any more, so `onFailed` is the only way to hear of it.
 */
export type TrainerWorker = {
  trainer: TrainerRemote;
  terminate(): void;
  onFailed(listener: (error: Error) => void): void;
};

type Thrown = { aborted: boolean; error: WireError; detail: string };

/**
 * Lets error codes survive the way out of the worker: comlink's own handler keeps name, message and stack only.
 * Both ends call it once, before anything else.
 */
export function carryErrorCodes(): void {
  const original = transferHandlers.get('throw') as TransferHandler<{ value: unknown }, unknown>;
  const handler: TransferHandler<{ value: unknown }, Thrown> = {
    canHandle: (value): value is { value: unknown } => original.canHandle(value),
    serialize: ({ value }) => {
      const aborted = value instanceof Error && value.name === 'AbortError';
      const detail = value instanceof Error ? (value.stack ?? value.message) : String(value);
      return [{ aborted, error: wireError(value), detail }, []];
    },
    deserialize: ({ aborted, error, detail }) => {
      if (aborted) throw abortError();
      // The text of an unexpected error stays out of the page's state, but a developer must find it
      if (error.code === 'INTERNAL') console.error(`The trainer failed: ${detail}`);
      throw fromWireError(error);
    },
  };
  transferHandlers.set('throw', handler);
}

/** What a round given up on purpose throws. */
export function abortError(): DOMException {
  return new DOMException('The round was given up.', 'AbortError');
}
