import type { Result, WireError } from '@chorale/protocol';
import { wireError } from '@chorale/protocol';
import type { Log } from '../log.ts';

/** Codes of failures that are the server's own: those the operator must see. */
const OWN_FAILURES: readonly WireError['code'][] = ['INTERNAL', 'STORE_ERROR', 'STORE_FULL', 'STORE_DAMAGED'];

/**
 * Wraps the handler of one event: what it returns or throws becomes the acknowledgement, and nothing gets out. The
 * arguments come from anybody, so they are `unknown` until the handler has checked them.
 * @param onRefused told the code of everything that was refused
 */
export function answered(
  event: string,
  log: Log,
  handler: (...args: unknown[]) => unknown,
  onRefused: (code: WireError['code']) => void,
): (...args: unknown[]) => Promise<void> {
  return async (...args) => {
    let result: Result<unknown>;
    try {
      // Only what takes time is waited for: a handler that is synchronous is answered in the same turn
      const value = handler(...args);
      result = { ok: true, value: value instanceof Promise ? await value : value };
    } catch (error) {
      const wire = wireError(error);
      if (OWN_FAILURES.includes(wire.code)) log.error({ err: error }, `event ${event}`);
      onRefused(wire.code);
      result = { ok: false, error: wire };
    }
    const answer = args.at(-1);
    if (typeof answer !== 'function') return;
    try {
      (answer as (result: Result<unknown>) => void)(result);
    } catch (error) {
      log.warn({ err: error }, `the answer to event ${event} could not be sent`);
    }
  };
}
