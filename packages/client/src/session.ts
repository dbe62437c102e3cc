import type { Availability, BackendName, JoinedMessage } from '@chorale/protocol';
import { wireError } from '@chorale/protocol';
import type { Admission } from './admission.ts';
import type { ConnectionEvents, Retry } from './runConnection.ts';
import { RunConnection } from './runConnection.ts';
import type { StopReason } from './state.ts';
import { clientError } from './stateStore.ts';
import type { Wakeup, Wakeups } from './wakeups.ts';

/** A live server answers a small question in this time. */
const PROBE_TIMEOUT_MS = 4_000;
/** While an update is being delivered, what is left of an earlier try may still be in the way. */
const BUSY_PROBE_TIMEOUT_MS = 20_000;

export type SessionOptions = Pick<
  ConnectionEvents,
  'onRoundStart' | 'onRoundEnd' | 'onRecord' | 'onRunState'
> & {
  serverUrl: string;
  admission: Admission;
  wakeups: Wakeups;
  backend(): BackendName;
  availability(): Availability;
  /** An update is on its way. */
  sending(): boolean;
  /** Before each join; what it throws ends taking part. */
  beforeJoin(): Promise<void>;
  /** The server has let her in; before anything else is done on this connection. */
  onAdmitted(joined: JoinedMessage): Promise<void>;
  /** `joined` is true from now on. */
  onJoined(joined: JoinedMessage): Promise<void>;
  onLost(retry: Retry): void;
  /** The run was over as she joined. What she has computed can still be sent on this connection. */
  onRunEnded(): void;
  onRefused(because: StopReason, message: string): void;
};

/** Being in a run: a connection that joins each time it opens, and does not wait for a dead one to be noticed. */
export class Session {
  readonly connection: RunConnection;
  readonly #options: SessionOptions;
  /** Counts connections: what an earlier one still does must not pass for the present one. */
  #number = 0;
  #joined = false;
  #probing = false;
  #endWakeups: () => void = () => undefined;

  constructor(options: SessionOptions) {
    const { onRoundStart, onRoundEnd, onRecord, onRunState } = options;
    this.#options = options;
    this.connection = new RunConnection(options.serverUrl, () => options.admission.handshake(), {
      onConnected: () => {
        this.#leave();
        void this.#enter(this.#number);
      },
      onDisconnected: (retry) => {
        this.#leave();
        options.onLost(retry);
      },
      onRefused: (error) => this.#refuse(error),
      onReplaced: () =>
        options.onRefused(
          'replaced',
          'This contributor connected from somewhere else; that connection goes on.',
        ),
      onRoundStart,
      onRoundEnd,
      onRecord,
      onRunState,
      onInvalid: (error) => console.error('The server sent a message that does not fit the protocol.', error),
    });
  }

  /** On the present connection, with every round counted that the server charges and this ledger did not. */
  get joined(): boolean {
    return this.#joined;
  }

  open(): void {
    this.#endWakeups = this.#options.wakeups((what) => this.#onWakeup(what));
    this.connection.open();
  }

  close(): void {
    this.#endWakeups();
    this.#leave();
    this.connection.close();
  }

  tellAvailability(): void {
    if (!this.#joined || !this.connection.connected) return;
    // A lost answer is no harm: it is told again at the next connection
    void this.connection.setAvailability(this.#options.availability()).catch(() => undefined);
  }

  async #enter(number: number): Promise<void> {
    const { admission, backend, availability, beforeJoin, onAdmitted, onJoined } = this.#options;
    try {
      await beforeJoin();
      if (number !== this.#number) return;
      const joined = await admission.join(this.connection, {
        backend: backend(),
        availability: availability(),
      });
      await onAdmitted(joined);
      if (number !== this.#number) return;
      this.#joined = true;
      this.connection.settled();
      await onJoined(joined);
    } catch (error) {
      this.#onJoinError(error, number);
    }
  }

  #onJoinError(error: unknown, number: number): void {
    const { code, retryable } = wireError(error);
    if (code === 'RUN_ENDED') this.#options.onRunEnded();
    else if (code === 'DEVICE_ERROR' || !retryable) this.#refuse(error);
    else if (number === this.#number && !this.#joined) this.connection.failed(error);
  }

  #refuse(error: unknown): void {
    const { code, message } = clientError(error);
    this.#options.onRefused(
      STOP_REASONS[code] ?? 'refused',
      code === 'IDENTITY_INVALID' ? UNKNOWN_HERE : message,
    );
  }

  #leave(): void {
    this.#number += 1;
    this.#joined = false;
  }

  #onWakeup(what: Wakeup): void {
    const { connected } = this.connection;
    // What stood still or moved to another network is dead more often than not, and waiting for a ping takes 45 s
    if (what === 'slept' || what === 'network-changed') this.#reconnect();
    else if (what === 'looked-at' && !connected) this.#reconnect();
    else if (connected && this.#joined) void this.#probe();
  }

  #reconnect(): void {
    this.#leave();
    this.connection.open();
    const error = { code: 'DISCONNECTED', message: 'connecting again' } as const;
    this.#options.onLost({ error, nextTryAtMs: null });
  }

  /** Asks something small: without an answer the connection is dead, whatever it looks like. */
  async #probe(): Promise<void> {
    // Behind an update's bytes a question waits on a slow line for minutes; the update's own answer tells as well
    if (this.#probing || this.connection.transferring) return;
    this.#probing = true;
    const number = this.#number;
    try {
      const { sending, availability } = this.#options;
      const timeoutMs = sending() ? BUSY_PROBE_TIMEOUT_MS : PROBE_TIMEOUT_MS;
      await this.connection.setAvailability(availability(), timeoutMs);
    } catch (error) {
      if (wireError(error).code === 'TIMEOUT' && number === this.#number) this.#reconnect();
    } finally {
      this.#probing = false;
    }
  }
}

/** Of what may not be tried again, what is not simply a refusal. */
const STOP_REASONS: Partial<Record<string, StopReason>> = {
  LEDGER_UNAVAILABLE: 'device-error',
  DEVICE_ERROR: 'device-error',
  INVITE_REQUIRED: 'not-invited',
  INVITE_INVALID: 'not-invited',
  IDENTITY_INVALID: 'unknown-here',
};

const UNKNOWN_HERE =
  'The server does not know this contributor any more. It may have been restored from an older backup; tell whoever runs it.';
