import type { ModelPiece } from '@chorale/protocol';
import { ChoraleError, modelPiecePath, sha256Hex } from '@chorale/protocol';

export type PieceFetchOptions = {
  /** The file it belongs to, for messages. */
  fileName: string;
  signal: AbortSignal;
  /** Before the second attempt; doubled with every further one. */
  retryDelayMs: number;
  /** Called with the bytes that came, and with fewer than none when they have to come again. */
  onBytes: (bytes: number) => void;
};

/** The last one comes 15 s after the first with a delay of 500 ms: a server that restarts is back by then. */
const MOST_ATTEMPTS = 6;
/** Nothing came for so long: the connection is dead, although nobody said so. */
const SILENCE_MS = 60_000;
const LONGEST_WAIT_MS = 30_000;

/** It may work next time. */
class Interrupted extends Error {
  readonly waitMs: number | null;

  constructor(message: string, options?: { cause?: unknown; waitMs?: number | null }) {
    super(message, options);
    this.waitMs = options?.waitMs ?? null;
  }
}

/**
 * Fetches one piece of a model from the run's server and checks it. A connection that breaks is taken up again, and
 * bytes that are wrong are fetched once more.
 * @throws {ChoraleError} DISCONNECTED, MODEL_INVALID
 */
export async function fetchPiece(
  serverUrl: string,
  piece: ModelPiece,
  options: PieceFetchOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { fileName, signal, retryDelayMs, onBytes } = options;
  let wrong = 0;
  for (let attempt = 1; ; attempt++) {
    let came = 0;
    const count = (bytes: number): void => {
      came += bytes;
      onBytes(bytes);
    };
    try {
      const bytes = await fetchOnce(new URL(modelPiecePath(piece), serverUrl), piece, signal, count);
      if (bytes !== null && (await sha256Hex(bytes)) === piece.sha256) return bytes;
      wrong += 1;
      if (wrong > 1) throw wrongBytes(fileName);
      onBytes(-came);
    } catch (error) {
      onBytes(-came);
      if (!(error instanceof Interrupted) || signal.aborted) throw error;
      if (attempt >= MOST_ATTEMPTS) throw notLoaded(fileName, error.message, error);
      await sleep(Math.min(error.waitMs ?? retryDelayMs * 2 ** (attempt - 1), LONGEST_WAIT_MS), signal);
    }
  }
}

/** @returns null when more came than the piece has */
async function fetchOnce(
  url: URL,
  { sizeBytes }: ModelPiece,
  givenUp: AbortSignal,
  onBytes: (length: number) => void,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const silence = new AbortController();
  const onSilence = (): void => silence.abort();
  let timer = setTimeout(onSilence, SILENCE_MS);
  const broke = (why: string) => (cause: unknown) => {
    if (givenUp.aborted) throw cause;
    throw new Interrupted(silence.signal.aborted ? `nothing came for ${SILENCE_MS / 1000} s` : why, {
      cause,
    });
  };
  try {
    const signal = AbortSignal.any([givenUp, silence.signal]);
    // The browser's own cache would keep a second copy, and give a wrong one again
    const response = await fetch(url, { signal, cache: 'no-store' }).catch(
      broke('no connection to the server'),
    );
    if (!response.ok || !response.body) throw refused(response);
    const bytes = new Uint8Array(sizeBytes);
    let at = 0;
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await reader.read().catch(broke('the connection broke'));
      if (done) break;
      clearTimeout(timer);
      timer = setTimeout(onSilence, SILENCE_MS);
      if (at + value.byteLength > sizeBytes) {
        silence.abort(); // ends the connection
        return null;
      }
      bytes.set(value, at);
      at += value.byteLength;
      onBytes(value.byteLength);
    }
    if (at !== sizeBytes) throw new Interrupted(`${at} of ${sizeBytes} bytes came`);
    return bytes;
  } finally {
    clearTimeout(timer);
  }
}

function refused(response: Response): Error {
  void response.body?.cancel();
  const { status, headers } = response;
  const why = `the server answered ${status}`;
  if (status >= 500 || status === 429 || status === 408) {
    const seconds = Number(headers.get('retry-after') ?? Number.NaN);
    return new Interrupted(why, { waitMs: Number.isFinite(seconds) ? 1000 * seconds : null });
  }
  return new ChoraleError(
    'DISCONNECTED',
    `The server does not have the model of this run any more (${why}). Reload the page; if this stays, tell the person who runs the run.`,
  );
}

function notLoaded(fileName: string, why: string, cause: unknown): ChoraleError {
  return new ChoraleError(
    'DISCONNECTED',
    `The model file ${fileName} could not be loaded: ${why}. Check the connection and try again; what has arrived is kept.`,
    { cause },
  );
}

function wrongBytes(fileName: string): ChoraleError {
  return new ChoraleError(
    'MODEL_INVALID',
    `What came as ${fileName} is not the file this run's plan names, also when asked for again. None of it is used. Reload the page; if this stays, tell the person who runs the run.`,
  );
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('Loading was given up.', 'AbortError'));
    });
  });
}
