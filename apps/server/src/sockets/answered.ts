import type { Result } from '@chorale/protocol';
import { wireError } from '@chorale/protocol';
import type { Log } from '../log.ts';

/**
 * Wraps the handler of one event: what it returns or throws becomes the acknowledgement, and nothing gets out. The
 * arguments come from anybody, so they are `unknown` until the handler has checked them.
 */
export function answered(
  event: string,
  log: Log,
  handler: (...args: unknown[]) => unknown,
): (...args: unknown[]) => void {
  return (...args) => {
    const answer = args.at(-1);
    const send = (result: Result<unknown>): void => {
      if (typeof answer === 'function') (answer as (result: Result<unknown>) => void)(result);
    };
    try {
      send({ ok: true, value: handler(...args) });
    } catch (error) {
      const wire = wireError(error);
      if (wire.code === 'INTERNAL' || wire.code === 'STORE_ERROR') log('error', `event ${event}`, error);
      send({ ok: false, error: wire });
    }
  };
}
