import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ManagerOptions, Socket, SocketOptions } from 'socket.io-client';
import { io } from 'socket.io-client';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import type { RoundTiming } from '@chorale/coordinator';
import type { LocalCounts, Privatized } from '@chorale/privacy';
import type {
  Binding,
  ContributorToServer,
  Identity,
  JoinedMessage,
  OfferAnswer,
  PublicRun,
  Result,
  RoundStartMessage,
  RunConfigInput,
  RunDetail,
  ServerToContributor,
  UpdateReceipt,
  WireError,
} from '@chorale/protocol';
import { PROTOCOL_VERSION, bindingOf, decodeAdapter, encodeUpdate, updateBytes } from '@chorale/protocol';
import { sha256Of } from './fileStore.ts';
import { randomToken } from './identity.ts';
import type { Log } from './log.ts';
import type { Hub } from './models/hub.ts';
import type { RunningServer } from './server.ts';
import { startServer } from './server.ts';
import type { ServerParts } from './serverParts.ts';
import { until } from './testing/until.ts';
import { readSettings } from './settings/readSettings.ts';
import type { Settings } from './settings/schema.ts';
import type { RecordedLine } from './testing/recordedLog.ts';
import { problemsOf, recordedLog } from './testing/recordedLog.ts';

export { until };

export const PARAMETER_COUNT = 4;
export const INITIAL_PARAMETERS = Float32Array.of(0.5, 0, -1, 0.25);

/** Parts without a model: four parameters, and an "accuracy" that tells which adapter was measured. */
export const testParts: ServerParts = {
  neededModelFiles: (names) => names.toSorted(),
  packModel: (files) => files,
  describeAdapter: async (files, config) => ({
    basisHash: sha256Of(`${files.get('weights.bin')!.length}/${config.adapter.seed}`),
    parameterCount: PARAMETER_COUNT,
    tensors: [{ name: 'classifier.weight', count: PARAMETER_COUNT }],
    trainedRanges: [{ start: 0, end: PARAMETER_COUNT }],
    initialParameters: INITIAL_PARAMETERS,
  }),
  exportPeft: (_files, _config, parameters) =>
    new Map([
      ['adapter_config.json', new TextEncoder().encode('{"peft_type":"LORA"}')],
      ['adapter_model.safetensors', new Uint8Array(parameters.slice().buffer)],
    ]),
  parseLabelledRows: (bytes) => ({
    rows: new TextDecoder()
      .decode(bytes)
      .trim()
      .split('\n')
      .map((text) => ({ text, textPair: null, label: 0 })),
  }),
  resolveNoiseMultiplier: (config) => (config.privacy.unit === 'none' ? 0 : 1.25),
  priceRounds: async (_plan, rounds) => ({ epsilon: rounds / 2, reason: null }),
  localCountsNoiseStdDev: ({ config }) => (config.localMetrics ? 3 : null),
  openEvaluation: () => ({
    evaluate: async (parameters) => ({ accuracy: parameters[0]!, loss: parameters[1]! }),
    dispose: () => {},
  }),
};

/** Where nobody answers. */
export const NO_HUB: Hub = {
  endpoint: 'http://127.0.0.1:9',
  token: null,
  retryDelayMs: 1,
  silenceMs: 1_000,
  onInterruption: () => undefined,
};

const BASE_CONFIG: RunConfigInput = {
  name: 'Test run',
  model: 'model',
  task: { type: 'sequence-classification', labels: ['no', 'yes'] },
  training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
  privacy: { unit: 'example', targetEpsilon: 3, targetDelta: 1e-5 },
  rounds: { count: 2, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 60 },
  // Tests send what no noise makes
  aggregation: { normWindow: 'off' },
  evaluation: { file: 'test.tsv' },
};

/** Short graces, so that tests of absence are quick. */
const TEST_TIMING: RoundTiming = {
  ...DEFAULT_ROUND_TIMING,
  reconnectGraceMs: 150,
  restartGraceMs: 5_000,
  backoffMs: 20,
};

/** A data directory with a model, a test file and a config, on which servers can be started one after the other. */
export class TestSite {
  readonly directory = mkdtempSync(join(tmpdir(), 'chorale-server-'));
  readonly dataDir = join(this.directory, 'data');
  readonly configPath = join(this.directory, 'run.json');
  readonly pages = { contributor: join(this.directory, 'contributor'), admin: join(this.directory, 'admin') };
  /** Everything that its servers logged. */
  readonly logged: RecordedLine[];
  readonly #log: Log;
  #servers: RunningServer[] = [];
  #contributors: ScriptedContributor[] = [];

  constructor(config: Partial<RunConfigInput> = {}) {
    ({ log: this.#log, lines: this.logged } = recordedLog());
    mkdirSync(join(this.directory, 'model'));
    writeFileSync(join(this.directory, 'model/config.json'), '{}');
    writeFileSync(join(this.directory, 'model/weights.bin'), Uint8Array.of(1, 2, 3));
    writeFileSync(join(this.directory, 'test.tsv'), 'one\ntwo\n');
    this.writeConfig(config);
  }

  /** Warnings and errors of its servers. */
  get problems(): string[] {
    return problemsOf(this.logged);
  }

  writeConfig(config: Partial<RunConfigInput>): void {
    writeFileSync(this.configPath, JSON.stringify({ ...BASE_CONFIG, ...config }));
  }

  /** Puts built pages where the server looks for them. */
  buildPages(): void {
    for (const [name, directory] of Object.entries(this.pages)) {
      mkdirSync(join(directory, 'assets'), { recursive: true });
      writeFileSync(join(directory, 'index.html'), `<!doctype html><title>${name}</title>`);
      writeFileSync(join(directory, 'assets/index-abc.js'), `// ${name}`);
    }
  }

  async start(
    parts: Partial<ServerParts> = {},
    more: {
      adminToken?: string;
      timing?: Partial<RoundTiming>;
      hub?: Hub;
      settings?: Partial<Settings>;
      configs?: string[];
      newRun?: boolean;
      transferBytes?: number;
    } = {},
  ): Promise<RunningServer> {
    const server = await startServer({
      ...readSettings([], {}).settings,
      port: 0,
      ...more.settings,
      dataDir: this.dataDir,
      configs: more.configs ?? [this.configPath],
      newRun: more.newRun ?? false,
      pages: [this.pages.contributor, this.pages.admin],
      hub: more.hub ?? NO_HUB,
      onDownload: () => undefined,
      parts: { ...testParts, ...parts },
      log: this.#log,
      adminToken: more.adminToken ?? randomToken(),
      adminTokenIsSet: more.adminToken !== undefined,
      timing: { ...TEST_TIMING, ...more.timing },
      ...(more.transferBytes === undefined ? {} : { transferBytes: more.transferBytes }),
    });
    this.#servers.push(server);
    return server;
  }

  async contributor(server: RunningServer, options: { origin?: string } = {}): Promise<ScriptedContributor> {
    const contributor = new ScriptedContributor(server, await getRun(server), options.origin);
    this.#contributors.push(contributor);
    return contributor;
  }

  /** Several who have joined, in the order of their ids: the order in which updates are summed. */
  async joined(server: RunningServer, count: number): Promise<ScriptedContributor[]> {
    const all: ScriptedContributor[] = [];
    for (let k = 0; k < count; k++) {
      const contributor = await this.contributor(server);
      await contributor.joinOrThrow();
      all.push(contributor);
    }
    return all.toSorted((a, b) => (a.identity!.contributorId < b.identity!.contributorId ? -1 : 1));
  }

  async stop(server: RunningServer): Promise<void> {
    this.#servers = this.#servers.filter((one) => one !== server);
    await server.close();
  }

  async clean(): Promise<void> {
    for (const contributor of this.#contributors) contributor.socket.disconnect();
    for (const server of this.#servers) await server.close();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export type ReceivedRound = RoundStartMessage & { parameters: Float32Array };

/** Fields of the handshake: `join` opens another socket for them. */
const HANDSHAKE_FIELDS = ['protocolVersion', 'runId', 'identity', 'newToken', 'invite'];

/** Takes part as told: real socket, real bytes, no training. The socket opens with the first thing that is said on it. */
export class ScriptedContributor {
  readonly socket: Socket<ServerToContributor, ContributorToServer>;
  readonly run: PublicRun['run'];
  readonly binding: Binding;
  /** Who she is from now on; taken from the server by joining, or set by the test. */
  identity: Identity | undefined;
  /** Her secret where she has no identity. */
  readonly newToken = randomToken();
  readonly rounds: ReceivedRound[] = [];
  readonly ends: Parameters<ServerToContributor['round:end']>[0][] = [];
  readonly records: Parameters<ServerToContributor['round:record']>[0][] = [];
  readonly states: Parameters<ServerToContributor['run:state']>[0][] = [];
  /** Whom the open socket speaks for: by its handshake, or by what joining on it answered. */
  #speaksFor: string | undefined;
  #handshake: Record<string, unknown> = {};

  /** @param options more of socket.io-client's */
  constructor(
    server: Pick<RunningServer, 'contributeUrl'>,
    { run }: PublicRun,
    origin?: string,
    options: Partial<ManagerOptions & SocketOptions> = {},
  ) {
    this.run = run;
    this.binding = bindingOf(run);
    this.socket = io(`${server.contributeUrl}contribute`, {
      transports: ['websocket'],
      forceNew: true,
      autoConnect: false,
      reconnection: false,
      auth: (send) => send(this.#handshake),
      ...(origin === undefined ? {} : { extraHeaders: { origin } }),
      ...options,
    });
    this.socket.on('round:start', (message, payload) => {
      const bytes = payload instanceof Uint8Array ? payload : new Uint8Array(payload);
      this.rounds.push({ ...message, parameters: decodeAdapter(bytes, this.binding).parameters });
    });
    this.socket.on('round:end', (message) => this.ends.push(message));
    this.socket.on('round:record', (record) => this.records.push(record));
    this.socket.on('run:state', (state) => this.states.push(state));
  }

  /**
   * Opens a socket anew, whatever was open.
   * @param changes fields of the handshake that differ from the honest one
   * @returns the error it was refused with, if any
   */
  async connect(changes: Record<string, unknown> = {}): Promise<Result<null>> {
    this.socket.disconnect();
    this.#handshake = {
      protocolVersion: PROTOCOL_VERSION,
      runId: this.run.runId,
      ...('identity' in changes ? {} : this.#speaker()),
      ...changes,
    };
    const refused = await new Promise<(Error & { data?: WireError }) | null>((resolve) => {
      const settle = (error: Error | null): void => {
        this.socket.off('connect', connected);
        this.socket.off('connect_error', settle);
        resolve(error);
      };
      const connected = (): void => settle(null);
      this.socket.on('connect', connected);
      this.socket.on('connect_error', settle);
      this.socket.connect();
    });
    if (refused !== null) {
      // Without data the WebSocket itself did not come about
      if (refused.data === undefined) throw refused;
      return { ok: false, error: refused.data };
    }
    const { identity } = this.#handshake as { identity?: Identity };
    this.#speaksFor = identity?.contributorId;
    return { ok: true, value: null };
  }

  #speaker(): Record<string, unknown> {
    return this.identity ? { identity: this.identity } : { newToken: this.newToken };
  }

  /** Sends any event with any arguments; resolves with its acknowledgement. */
  async ask<T>(event: string, ...args: unknown[]): Promise<Result<T>> {
    if (!this.socket.connected) {
      const connected = await this.connect();
      if (!connected.ok) return connected;
    }
    const loose = this.socket as unknown as {
      timeout(ms: number): { emitWithAck(...all: unknown[]): Promise<Result<T>> };
    };
    return loose.timeout(5_000).emitWithAck(event, ...args);
  }

  /** Joins, on the open socket when that speaks for her, else on a new one. @param changes of handshake and message */
  async join(changes: Record<string, unknown> = {}): Promise<Result<JoinedMessage>> {
    const isHandshake = ([key]: [string, unknown]): boolean => HANDSHAKE_FIELDS.includes(key);
    const entries = Object.entries(changes);
    const handshake = Object.fromEntries(entries.filter(isHandshake));
    const hers = this.socket.connected && this.#speaksFor === this.identity?.contributorId;
    if (!hers || Object.keys(handshake).length > 0) {
      const connected = await this.connect(handshake);
      if (!connected.ok) return connected;
    }
    const result = await this.ask<JoinedMessage>('join', {
      planHash: this.run.planHash,
      basisHash: this.run.plan.basisHash,
      backend: 'wasm',
      availability: 'available',
      chargedRounds: [],
      ...Object.fromEntries(entries.filter((entry) => !isHandshake(entry))),
    });
    if (result.ok) {
      this.identity = { contributorId: result.value.contributorId, token: result.value.token };
      this.#speaksFor = this.identity.contributorId;
    }
    return result;
  }

  async joinOrThrow(): Promise<JoinedMessage> {
    const result = await this.join();
    if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
    return result.value;
  }

  encode(
    round: number,
    values: readonly number[],
    binding: Partial<Binding> = {},
    counts: LocalCounts | null = null,
  ): Uint8Array {
    // The one place where a test says of numbers that they are privatized.
    const update = { values: Float32Array.from(values) } as unknown as Privatized<Float32Array>;
    const localCounts = counts && ({ values: counts } as unknown as Privatized<LocalCounts>);
    return encodeUpdate(update, round, { ...this.binding, ...binding }, localCounts);
  }

  send(round: number, values: readonly number[]): Promise<Result<UpdateReceipt>> {
    return this.deliver(round, this.encode(round, values));
  }

  /** Says that she will send an update of the right size, whatever she sends then. */
  offer(round: number, payload: Uint8Array): Promise<Result<OfferAnswer>> {
    const payloadBytes = updateBytes(this.run.plan, round);
    return this.ask('offer', { round, sha256: sha256Of(payload), payloadBytes });
  }

  /** Offers and sends; an offer that is refused, or stored already, is the answer. */
  async deliver(round: number, payload: Uint8Array): Promise<Result<UpdateReceipt>> {
    const offered = await this.offer(round, payload);
    if (!offered.ok) return offered;
    if (offered.value === 'stored') return { ok: true, value: { round, duplicate: true } };
    return this.ask('update', { round }, payload);
  }

  /** Sends whatever it is with the grant of an honest offer for a round that is open and has nothing of hers. */
  async sendGranted(message: unknown, payload: unknown, openRound = 1): Promise<Result<UpdateReceipt>> {
    const offered = await this.offer(openRound, randomBytes(1));
    if (!offered.ok) return offered;
    return this.ask('update', message, payload);
  }

  /** Waits for the newest round:start of this round. */
  async round(round: number): Promise<ReceivedRound> {
    return until(() => this.rounds.findLast((one) => one.round === round), `round:start of round ${round}`);
  }
}

export async function getRun(server: RunningServer, runId = 'current'): Promise<PublicRun> {
  const response = await fetch(`${server.contributeUrl}api/runs/${runId}`);
  if (!response.ok) throw new Error(await response.text());
  return (await response.json()) as PublicRun;
}

export function asAdmin(
  server: RunningServer,
  path: string,
  init: { method?: string; body?: unknown } = {},
): Promise<Response> {
  const { method = 'GET', body } = init;
  return fetch(`${server.contributeUrl}api/admin/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

export async function getDetail(server: RunningServer): Promise<RunDetail> {
  const details = (await (await asAdmin(server, 'runs')).json()) as RunDetail[];
  return details.find((detail) => detail.run.runId === server.runId)!;
}

/** The error code of an acknowledgement, or "ok". */
export function codeOf(result: Result<unknown>): string {
  return result.ok ? 'ok' : result.error.code;
}
