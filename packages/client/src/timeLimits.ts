import { ChoraleError } from '@chorale/protocol';

/** Into so many ticks the time is cut; silence may last one of them longer. */
const TICKS = 10;

/** The worker answers no more, hence it cannot be asked to open its device again either. */
export class StuckError extends ChoraleError {
  constructor(message: string) {
    super('DEVICE_ERROR', message);
  }
}

/**
 * Notices when nothing is heard of work for a time. It counts ticks rather than looking at a clock: a lid that was
 * closed over night stops the work and the ticks alike.
 */
export class Silence {
  /** Rejects with a StuckError when it has lasted too long. */
  readonly tooLong: Promise<never>;
  readonly #interval: ReturnType<typeof setInterval>;
  #silentTicks = 0;

  /** @param message of the error: what was expected, and what to do */
  constructor(timeoutMs: number, message: string) {
    const { promise, reject } = Promise.withResolvers<never>();
    // It counts only where it is awaited
    promise.catch(() => undefined);
    this.tooLong = promise;
    this.#interval = setInterval(() => {
      this.#silentTicks += 1;
      if (this.#silentTicks > TICKS) reject(new StuckError(message));
    }, timeoutMs / TICKS);
  }

  heard(): void {
    this.#silentTicks = 0;
  }

  end(): void {
    clearInterval(this.#interval);
  }
}

/**
 * An answer of the worker.
 * @throws {StuckError} none comes in time; and whatever the worker answers
 */
export async function answerInTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  const silence = new Silence(timeoutMs, stuckMessage(timeoutMs));
  try {
    return await Promise.race([answer, silence.tooLong]);
  } finally {
    silence.end();
  }
}

export function stuckMessage(timeoutMs: number): string {
  const minutes = Math.round(timeoutMs / 6_000) / 10;
  return `This device made no step in ${minutes} minutes, so it was stopped. Nothing more is sent. Reload the page, or take part with another device.`;
}
