import { setTimeout as sleep } from 'node:timers/promises';
import { ChoraleError } from '@chorale/protocol';
import type { Hub } from './hub.ts';

/** What went wrong may be over next time: a broken connection, a server in trouble, too many requests. */
export class HubInterruption extends Error {
  /** What the hub asked for; null when it did not. */
  readonly waitMs: number | null;
  /** null: there was no answer. */
  readonly status: number | null;

  constructor(message: string, options: { cause?: unknown; waitMs?: number | null; status?: number } = {}) {
    super(message, options);
    this.waitMs = options.waitMs ?? null;
    this.status = options.status ?? null;
  }
}

/** With a delay of 1 s the last one comes two minutes after the first. */
const MOST_ATTEMPTS = 8;
/** The description of a repository with ten thousand files has 2 MB. */
const MAX_TEXT_BYTES = 16 * 1024 * 1024;
const LONGEST_WAIT_MS = 300_000;
const MOST_REDIRECTS = 5;
/** What was downloaded so far is no beginning of the file; whoever asked for the rest starts anew. */
export const RANGE_NOT_SATISFIABLE = 416;

/**
 * Does it until it is done, or has been interrupted so many times in a row without coming any further.
 * @param progress how far it is by now, in any unit
 * @throws {ChoraleError} HUB_UNREACHABLE; and what `attempt` throws but interruptions
 */
export async function untilDone<T>(
  hub: Hub,
  attempt: () => Promise<T>,
  {
    progress = () => 0,
    mostAttempts = MOST_ATTEMPTS,
  }: { progress?: () => number; mostAttempts?: number } = {},
): Promise<T> {
  let failures = 0;
  for (;;) {
    const before = progress();
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof HubInterruption)) throw error;
      failures = progress() > before ? 1 : failures + 1;
      if (failures >= mostAttempts) {
        throw new ChoraleError(
          'HUB_UNREACHABLE',
          `${error.message}, ${mostAttempts} times in a row. Look at the connection and at HF_ENDPOINT, then start again: what was downloaded is kept.`,
          { cause: error },
        );
      }
      const waitMs = Math.min(error.waitMs ?? hub.retryDelayMs * 2 ** (failures - 1), LONGEST_WAIT_MS);
      hub.onInterruption(`${error.message}; next attempt in ${(waitMs / 1000).toFixed(0)} s`);
      await sleep(waitMs);
    }
  }
}

export type HubResponse = {
  status: number;
  headers: Headers;
  /** Ends with a HubInterruption when the connection breaks or falls silent. */
  chunks: AsyncIterable<Uint8Array>;
  /** Instead of taking the chunks. */
  discard(): Promise<void>;
};

/**
 * Asks the hub, and follows it to where it keeps its files. The token is for the hub's own address and goes nowhere else.
 * @param what for messages: "the files of org/name"
 * @throws {HubInterruption} {ChoraleError} HUB_REFUSED
 */
export async function askHub(
  hub: Hub,
  path: string,
  what: string,
  headers: Record<string, string> = {},
): Promise<HubResponse> {
  const home = new URL(hub.endpoint).origin;
  let url = new URL(`${hub.endpoint}${path}`);
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const silence = new Silence(hub.silenceMs);
    const authorization =
      hub.token !== null && url.origin === home ? { authorization: `Bearer ${hub.token}` } : {};
    const response = await fetch(url, {
      redirect: 'manual',
      signal: silence.signal,
      headers: { 'accept-encoding': 'identity', 'user-agent': 'chorale', ...headers, ...authorization },
    }).catch((cause: unknown) => {
      silence.end();
      throw new HubInterruption(`${what} could not be asked of ${url.origin} (${reasonOf(cause)})`, {
        cause,
      });
    });
    const location =
      response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
    if (location === null) {
      if (response.ok) return answerOf(response, what, silence);
      silence.end();
      throw await refusalOf(hub, response, what);
    }
    silence.end();
    await discard(response);
    const next = URL.canParse(location, url) ? new URL(location, url) : null;
    if (
      next === null ||
      !/^https?:$/.test(next.protocol) ||
      (url.protocol === 'https:' && next.protocol === 'http:')
    ) {
      throw new ChoraleError(
        'HUB_REFUSED',
        `${url.origin} redirects ${what} to an address that is not followed`,
      );
    }
    url = next;
  }
  throw new ChoraleError('HUB_REFUSED', `${home} redirects ${what} more than ${MOST_REDIRECTS} times`);
}

/**
 * Reads an answer that is text, in one piece of memory: a hub that never stops must not fill it.
 * @param what for messages: "the files of org/name"
 * @throws {HubInterruption} {ChoraleError} HUB_REFUSED: it is longer than 16 MB
 */
export async function textOf({ chunks }: HubResponse, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > MAX_TEXT_BYTES) {
      throw new ChoraleError(
        'HUB_REFUSED',
        `expected at most ${MAX_TEXT_BYTES} bytes when asked for ${what}, more came. Is HF_ENDPOINT a model hub?`,
      );
    }
    parts.push(chunk);
  }
  return Buffer.concat(parts).toString('utf8');
}

function answerOf(response: Response, what: string, silence: Silence): HubResponse {
  const { status, headers, body } = response;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body ?? []) {
        silence.heard();
        yield chunk;
      }
    } catch (cause) {
      throw new HubInterruption(`the connection broke while ${what} came (${reasonOf(cause)})`, { cause });
    } finally {
      silence.end();
    }
  }
  return {
    status,
    headers,
    chunks: chunks(),
    async discard() {
      silence.end();
      await discard(response);
    },
  };
}

/** Frees the connection; one that is broken is free already. */
async function discard({ body }: Response): Promise<void> {
  await body?.cancel().catch(() => undefined);
}

/** Gives a connection up on which nothing comes. */
class Silence {
  readonly #limitMs: number;
  readonly #controller = new AbortController();
  #timer: NodeJS.Timeout;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    clearTimeout(this.#timer);
    this.#timer = this.#start();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #start(): NodeJS.Timeout {
    return setTimeout(
      () => this.#controller.abort(new Error(`nothing came for ${this.#limitMs / 1000} s`)),
      this.#limitMs,
    );
  }
}

/** The hub says why in headers (`RepoNotFound`, `GatedRepo`, `RevisionNotFound`, `EntryNotFound`). */
async function refusalOf(hub: Hub, response: Response, what: string): Promise<Error> {
  await discard(response);
  const { status, headers } = response;
  const said = headers.get('x-error-message') ?? headers.get('x-error-code');
  const answered = `${new URL(hub.endpoint).host} answered ${status}${said === null ? '' : ` (${said})`} when asked for ${what}`;
  if (status >= 500 || status === 429 || status === 408 || status === RANGE_NOT_SATISFIABLE) {
    return new HubInterruption(answered, { waitMs: retryAfterMs(headers), status });
  }
  const advice =
    status === 404
      ? 'Check the name and the revision of the model in the config.'
      : status === 401 || status === 403
        ? hub.token === null
          ? 'Check its name; a private or gated model needs an access token in HF_TOKEN, of somebody who may read it.'
          : 'Check its name, and that the owner of the token in HF_TOKEN may read it and has accepted its conditions.'
        : 'Check the config and HF_ENDPOINT.';
  return new ChoraleError('HUB_REFUSED', `${answered}. ${advice}`);
}

/** Seconds or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(headers: Headers): number | null {
  const value = headers.get('retry-after');
  if (value === null) return null;
  const ms = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : null;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message || error.message : error.message;
}
