/*
 * A contributor's client written from docs/protocol.md alone: plain JavaScript over the platform's own WebSocket, fetch and
 * crypto, without Socket.IO's client and without a package of Chorale. It shows that the page is enough to write one. It
 * does not train: its updates are noise, as those of a contributor whose every sample is empty.
 */

/** JSON as it came. */
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };

/** What is used of a plan here; "Over HTTP" has all of it. */
type Plan = {
  basisHash: string;
  parameterCount: number;
  noiseMultiplier: number;
  trainedRanges: { start: number; end: number }[];
  config: {
    training: { localSteps: number; learningRate: number; expectedBatchSize: number; clippingNorm: number };
  };
};
export type PlainRun = { runId: string; planHash: string; plan: Plan };

export type PlainAnswer = { ok: boolean; value?: Json; error?: { code: string; retryable: boolean } };
export type PlainEvent = { event: string; message: Fields; bytes: Uint8Array | null };

/** Where one answer goes. */
type Waiting = (answer: PlainAnswer) => void;

const ANSWER_MS = 20_000;
const OFFER_MS = 120_000;

/** "Over HTTP" and "The plan hash": reads the run that people are sent to, and checks its plan. */
export async function readRun(base: string): Promise<PlainRun> {
  const { run } = (await (await fetch(`${base}api/runs/current`)).json()) as { run: PlainRun };
  const computed = await sha256(new TextEncoder().encode(canonical(run.plan)));
  if (computed !== run.planHash) throw new Error(`the plan hashes to ${computed}`);
  return run;
}

/** "The plan hash". */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const keys = Object.keys(value).toSorted((a, b) => (a < b ? -1 : 1));
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key]!)}`).join(',')}}`;
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

/** "Handshake and join": 32 random bytes as base64url. */
export function newToken(): string {
  const text = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

/** "Over the WebSocket": one socket in the namespace. */
export class PlainSocket {
  /** What the server said by itself, in order. */
  readonly events: PlainEvent[] = [];
  /** The code of a refused handshake. */
  refused: string | null = null;
  /** The server ended the socket on purpose. */
  ended = false;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  readonly #open: Promise<void>;
  #questions = 0;
  #announced: PlainEvent | null = null;

  constructor(base: string, auth: Fields) {
    this.#socket = new WebSocket(`${base.replace(/^http/, 'ws')}socket.io/?EIO=4&transport=websocket`);
    this.#socket.binaryType = 'arraybuffer';
    this.#open = new Promise((resolve, reject) => {
      this.#socket.addEventListener('close', () => reject(new Error(this.refused ?? 'closed')));
      this.#socket.addEventListener('error', () => reject(new Error('error')));
      this.#socket.addEventListener('message', ({ data }) => {
        this.#onFrame(data as string | ArrayBuffer, auth, resolve);
      });
    });
    this.#open.catch(() => undefined);
  }

  /** Resolves when the server has let it in. */
  get open(): Promise<void> {
    return this.#open;
  }

  close(): void {
    this.#socket.close();
  }

  #onFrame(data: string | ArrayBuffer, auth: Fields, letIn: () => void): void {
    if (typeof data !== 'string') {
      if (this.#announced === null) throw new Error('bytes that no message announced');
      this.events.push({ ...this.#announced, bytes: new Uint8Array(data) });
      this.#announced = null;
      return;
    }
    if (data === '2') this.#socket.send('3');
    else if (data.startsWith('0')) this.#socket.send(`40/contribute,${JSON.stringify(auth)}`);
    else if (data.startsWith('40/contribute,')) letIn();
    else if (data.startsWith('41/contribute,')) this.ended = true;
    else if (data.startsWith('44/contribute,')) {
      const refusal = JSON.parse(data.slice(14)) as { data: { code: string } };
      this.refused = refusal.data.code;
      this.#socket.close();
    } else this.#onPacket(data);
  }

  #onPacket(data: string): void {
    const [, kind, number, json] = /^4(2|3|51-)\/contribute,(\d*)(\[.*\])$/s.exec(data) ?? [];
    if (kind === undefined) throw new Error(`a frame that the page does not have: ${data}`);
    const [first, second] = JSON.parse(json!) as [string | PlainAnswer, Fields];
    if (kind === '3') {
      this.#waiting.get(Number(number))?.(first as PlainAnswer);
      this.#waiting.delete(Number(number));
      return;
    }
    const message = { event: first as string, message: second, bytes: null };
    if (kind === '2') this.events.push(message);
    else this.#announced = message;
  }

  /** Sends an event, with bytes or without. Resolves with its answer. */
  async ask(event: string, message: Fields, bytes?: Uint8Array<ArrayBuffer>): Promise<PlainAnswer> {
    await this.#open;
    const number = this.#questions++;
    const answer = new Promise<PlainAnswer>((resolve, reject) => {
      this.#waiting.set(number, resolve);
      const timeout = event === 'offer' ? OFFER_MS : ANSWER_MS;
      setTimeout(() => reject(new Error(`no answer to ${event}`)), timeout).unref();
    });
    if (bytes === undefined) {
      this.#socket.send(`42/contribute,${number}${JSON.stringify([event, message])}`);
    } else {
      const placeholder = { _placeholder: true, num: 0 };
      this.#socket.send(`451-/contribute,${number}${JSON.stringify([event, message, placeholder])}`);
      this.#socket.send(bytes);
    }
    return await answer;
  }
}

/** "Update and adapter bytes": what an adapter's header says, checked, and its values. */
export function readAdapter(
  bytes: Uint8Array,
  { planHash, plan }: PlainRun,
): { version: number; parameters: number[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = plan.parameterCount;
  const facts = [
    new TextDecoder().decode(bytes.subarray(0, 4)) === 'CHRA',
    view.getUint8(4) === 2,
    view.getUint8(5) === 0,
    view.getUint8(6) === 0,
    view.getUint32(12, true) === count,
    view.getUint32(16, true) === 0,
    hex(bytes.subarray(24, 56)) === planHash,
    hex(bytes.subarray(56, 88)) === plan.basisHash,
    bytes.length === 88 + 4 * count,
  ];
  if (facts.includes(false)) throw new Error(`not an adapter of this run: ${facts.join()}`);
  const parameters = Array.from({ length: count }, (_, i) => view.getFloat32(88 + 4 * i, true));
  if (!parameters.every(Number.isFinite)) throw new Error('an adapter that is not finite');
  return { version: view.getUint32(8, true), parameters };
}

/** "Writing a client", 7: the update of somebody whose every sample is empty, f32. */
export function noiseUpdate(round: number, { planHash, plan }: PlainRun): Uint8Array<ArrayBuffer> {
  const { training } = plan.config;
  const { start, end } = plan.trainedRanges[(round - 1) % plan.trainedRanges.length]!;
  const bytes = new Uint8Array(88 + 4 * (end - start));
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('CHRU'), 0);
  view.setUint8(4, 2);
  view.setUint32(8, round, true);
  view.setUint32(12, end - start, true);
  bytes.set(unhex(planHash), 24);
  bytes.set(unhex(plan.basisHash), 56);
  for (let i = 0; i < end - start; i++) {
    let sum = 0;
    for (let step = 0; step < training.localSteps; step++) {
      sum += plan.noiseMultiplier * training.clippingNorm * gaussian();
    }
    const change = (-training.learningRate / training.expectedBatchSize) * sum;
    view.setFloat32(88 + 4 * i, change, true);
  }
  return bytes;
}

/** Box and Muller; good enough for what protects nobody's rows. */
function gaussian(): number {
  const [a, b] = crypto.getRandomValues(new Uint32Array(2));
  return Math.sqrt(-2 * Math.log((a! + 1) / 2 ** 32)) * Math.cos((2 * Math.PI * b!) / 2 ** 32);
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16));
}
