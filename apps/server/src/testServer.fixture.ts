import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Socket } from 'socket.io-client';
import { io } from 'socket.io-client';
import { DEFAULT_ROUND_TIMING } from '@chorale/coordinator';
import type { RoundTiming } from '@chorale/coordinator';
import type { LocalCounts, Privatized } from '@chorale/privacy';
import type {
  Binding,
  ContributorToServer,
  JoinedMessage,
  JoinMessage,
  PublicRun,
  Result,
  RoundStartMessage,
  RunConfigInput,
  RunDetail,
  ServerToContributor,
  UpdateReceipt,
} from '@chorale/protocol';
import { PROTOCOL_VERSION, bindingOf, decodeAdapter, encodeUpdate } from '@chorale/protocol';
import { sha256Of } from './fileStore.ts';
import type { Hub } from './models/hub.ts';
import type { RunningServer } from './server.ts';
import { startServer } from './server.ts';
import type { ServerParts } from './serverParts.ts';

export const PARAMETER_COUNT = 4;
export const INITIAL_PARAMETERS = Float32Array.of(0.5, 0, -1, 0.25);

/** Parts without a model: four parameters, and an "accuracy" that tells which adapter was measured. */
export const testParts: ServerParts = {
  neededModelFiles: (names) => names.toSorted(),
  packModel: (files) => files,
  describeAdapter: async (files, config) => ({
    basisHash: sha256Of(`${files.get('weights.bin')!.length}/${config.adapter.seed}`),
    parameterCount: PARAMETER_COUNT,
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
  readonly problems: string[] = [];
  #servers: RunningServer[] = [];
  #contributors: ScriptedContributor[] = [];

  constructor(config: Partial<RunConfigInput> = {}) {
    mkdirSync(join(this.directory, 'model'));
    writeFileSync(join(this.directory, 'model/config.json'), '{}');
    writeFileSync(join(this.directory, 'model/weights.bin'), Uint8Array.of(1, 2, 3));
    writeFileSync(join(this.directory, 'test.tsv'), 'one\ntwo\n');
    this.writeConfig(config);
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
    more: { adminToken?: string; timing?: Partial<RoundTiming>; hub?: Hub } = {},
  ): Promise<RunningServer> {
    const server = await startServer({
      dataDir: this.dataDir,
      host: '127.0.0.1',
      port: 0,
      configPath: this.configPath,
      pages: this.pages,
      hub: more.hub ?? NO_HUB,
      onDownload: () => undefined,
      parts: { ...testParts, ...parts },
      log: (level, message) => {
        if (level !== 'info') this.problems.push(message);
      },
      adminToken: more.adminToken,
      timing: { ...TEST_TIMING, ...more.timing },
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

/** Takes part as told: real socket, real bytes, no training. */
export class ScriptedContributor {
  readonly socket: Socket<ServerToContributor, ContributorToServer>;
  readonly run: PublicRun['run'];
  readonly binding: Binding;
  identity: JoinMessage['identity'];
  readonly rounds: ReceivedRound[] = [];
  readonly ends: Parameters<ServerToContributor['round:end']>[0][] = [];
  readonly records: Parameters<ServerToContributor['round:record']>[0][] = [];
  readonly states: Parameters<ServerToContributor['run:state']>[0][] = [];

  constructor(server: RunningServer, { run }: PublicRun, origin?: string) {
    this.run = run;
    this.binding = bindingOf(run);
    this.socket = io(`${server.contributeUrl}contribute`, {
      transports: ['websocket'],
      forceNew: true,
      reconnection: false,
      ...(origin === undefined ? {} : { extraHeaders: { origin } }),
    });
    this.socket.on('round:start', (message, payload) => {
      const bytes = payload instanceof Uint8Array ? payload : new Uint8Array(payload);
      this.rounds.push({ ...message, parameters: decodeAdapter(bytes, this.binding).parameters });
    });
    this.socket.on('round:end', (message) => this.ends.push(message));
    this.socket.on('round:record', (record) => this.records.push(record));
    this.socket.on('run:state', (state) => this.states.push(state));
  }

  /** Sends any event with any arguments; resolves with its acknowledgement. */
  ask<T>(event: string, ...args: unknown[]): Promise<Result<T>> {
    const loose = this.socket as unknown as {
      timeout(ms: number): { emitWithAck(...all: unknown[]): Promise<Result<T>> };
    };
    return loose.timeout(5_000).emitWithAck(event, ...args);
  }

  async join(changes: Record<string, unknown> = {}): Promise<Result<JoinedMessage>> {
    const result = await this.ask<JoinedMessage>('join', {
      protocolVersion: PROTOCOL_VERSION,
      runId: this.run.runId,
      planHash: this.run.planHash,
      basisHash: this.run.plan.basisHash,
      backend: 'wasm',
      availability: 'available',
      chargedRounds: [],
      ...(this.identity ? { identity: this.identity } : {}),
      ...changes,
    });
    if (result.ok) this.identity = { contributorId: result.value.contributorId, token: result.value.token };
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
    return this.ask('update', { runId: this.run.runId, round }, this.encode(round, values));
  }

  /** Waits for the newest round:start of this round. */
  async round(round: number): Promise<ReceivedRound> {
    return until(() => this.rounds.findLast((one) => one.round === round), `round:start of round ${round}`);
  }
}

/** Polls until there is something. */
export async function until<T>(
  read: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs = 8_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
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
  init: { method?: string } = {},
): Promise<Response> {
  const headers = { authorization: `Bearer ${server.adminToken}` };
  return fetch(`${server.contributeUrl}api/admin/${path}`, { ...init, headers });
}

export async function getDetail(server: RunningServer): Promise<RunDetail> {
  const details = (await (await asAdmin(server, 'runs')).json()) as RunDetail[];
  return details.find((detail) => detail.run.runId === server.runId)!;
}

/** The error code of an acknowledgement, or "ok". */
export function codeOf(result: Result<unknown>): string {
  return result.ok ? 'ok' : result.error.code;
}
