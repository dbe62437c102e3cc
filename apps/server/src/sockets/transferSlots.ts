import { ChoraleError } from '@chorale/protocol';

/** Bytes of updates that are on their way to the server at once, over all runs. */
export const TRANSFER_BYTES = 32 * 2 ** 20;

/** How long an update may take to arrive, and so much longer by its size: 8 KB a second is slow for a line of today. */
const GRANT_MS = 30_000;
export const SLOW_BYTES_PER_MS = 8;

export type TransferSlotsOptions = {
  /** At least a few of the largest updates; one that is larger goes alone. */
  budgetBytes: number;
  /** Told how many wait, whenever that changes. */
  onQueue: (length: number) => void;
};

type Grant = { bytes: number; timer: NodeJS.Timeout };
type Offer = { bytes: number; grant: () => void; refuse: (error: ChoraleError) => void };

/**
 * Lets so many updates come at once that their bytes stay within a budget; the others wait in the order in which they
 * asked, in the memory of their own devices. A holder is a connection: it has one grant or one place in the queue, so that
 * the queue is as long as there are connections, at most.
 */
export class TransferSlots {
  readonly #options: TransferSlotsOptions;
  #freeBytes: number;
  readonly #granted = new Map<string, Grant>();
  /** In the order in which they asked. */
  readonly #waiting = new Map<string, Offer>();

  constructor(options: TransferSlotsOptions) {
    this.#options = options;
    this.#freeBytes = options.budgetBytes;
  }

  /** Of the budget, not granted. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Asks for room. It is there until the update has `arrived`, the holder is `gone`, or it took too long. Who asks again
   * keeps her place, and gives up what she was granted.
   * @returns null when it is granted now; else resolves when it is, and never when the holder is gone by then
   * @throws {ChoraleError} (rejects) RATE_LIMITED: the same holder asked again
   */
  ask(holder: string, bytes: number): Promise<void> | null {
    this.#end(holder);
    const charged = Math.min(bytes, this.#options.budgetBytes);
    if (this.#waiting.size === 0 && charged <= this.#freeBytes) {
      this.#grant(holder, charged);
      return null;
    }
    const before = this.#waiting.get(holder);
    before?.refuse(new ChoraleError('RATE_LIMITED', 'a later offer of this connection took its place'));
    const answer = Promise.withResolvers<void>();
    this.#waiting.set(holder, { bytes: charged, grant: answer.resolve, refuse: answer.reject });
    if (before === undefined) this.#options.onQueue(this.#waiting.size);
    else this.#serve(); // it may be smaller than the one before
    return answer.promise;
  }

  /** The holder's update is here, or will not come. @returns whether it had been granted */
  arrived(holder: string): boolean {
    return this.#end(holder);
  }

  gone(holder: string): void {
    if (this.#waiting.delete(holder)) this.#options.onQueue(this.#waiting.size);
    if (!this.#end(holder)) this.#serve();
  }

  #grant(holder: string, bytes: number): void {
    this.#freeBytes -= bytes;
    const timer = setTimeout(() => this.#end(holder), GRANT_MS + bytes / SLOW_BYTES_PER_MS).unref();
    this.#granted.set(holder, { bytes, timer });
  }

  #end(holder: string): boolean {
    const grant = this.#granted.get(holder);
    if (grant === undefined) return false;
    clearTimeout(grant.timer);
    this.#granted.delete(holder);
    this.#freeBytes += grant.bytes;
    this.#serve();
    return true;
  }

  /** Nobody overtakes: where the first does not fit, all behind it wait. */
  #serve(): void {
    for (const [holder, { bytes, grant }] of this.#waiting) {
      if (bytes > this.#freeBytes) return;
      this.#waiting.delete(holder);
      this.#grant(holder, bytes);
      this.#options.onQueue(this.#waiting.size);
      grant();
    }
  }
}
