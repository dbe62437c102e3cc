import type { RandomInt, RoundRules } from '@chorale/coordinator';
import { hasEnded, initialState, receivedContributors, serializeState } from '@chorale/coordinator';
import type { ResolvedRun } from '@chorale/protocol';
import { ChoraleError, bindingOf, decodeUpdate, updateBytes } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import { openMemoryStore } from '@chorale/store';
import type { SocketPair } from '@chorale/testing/socketPair';
import { socketPair } from '@chorale/testing/socketPair';
import { PARAMETERS, fuzzRules, randomInts, sha256 } from './fuzzRun.ts';
import { ModelServer } from './modelServer.ts';
import { ScriptedClient } from './scriptedClient.ts';
import type { ToClient, ToServer } from './wire.ts';

const CLIENTS = 6;
const LATE: ReadonlySet<string> = new Set(['UPDATE_WRONG_ROUND', 'UPDATE_NOT_IN_COHORT', 'RUN_ENDED']);

type Line = { pair: SocketPair<ToServer, ToClient>; client: ScriptedClient };

/** One seeded life of a run: a server, its clients and all that can go wrong between them. */
export class FuzzWorld {
  readonly random: RandomInt;
  readonly clients: ScriptedClient[];
  readonly counts = { crashes: 0, failedWrites: 0, cuts: 0, jumps: 0, acknowledged: 0, heardLate: 0 };
  readonly #run: ResolvedRun;
  readonly #rules: RoundRules;
  readonly #store: Store;
  server: ModelServer;
  nowMs = 1_000_000_000;
  #lines: Line[] = [];
  /** Whether the next write fails. */
  #failsNext = false;
  /** Adapter versions whose parameters were checked. */
  #checkedVersion = 0;
  #sums = new Float64Array(PARAMETERS);

  constructor(run: ResolvedRun, seed: number) {
    this.random = randomInts(seed);
    this.#run = run;
    this.#rules = fuzzRules(run);
    this.#store = this.#unreliable(openMemoryStore());
    this.#store.createRun(
      {
        run,
        createdAtMs: 1,
        status: 'recruiting',
        engineState: serializeState(initialState(this.nowMs)),
        evaluationSha256: null,
      },
      new Float64Array(PARAMETERS),
      {
        round: 0,
        attempt: 1,
        cohort: 0,
        received: 0,
        adapterVersion: 0,
        testAccuracy: null,
        testLoss: null,
        spentEpsilon: null,
        localMetrics: null,
        uplinkBytes: updateBytes(run.plan, 1),
        durationMs: 0,
      },
    );
    this.clients = Array.from({ length: CLIENTS }, () => new ScriptedClient(run, this.random));
    this.server = this.#startServer();
  }

  /** A store whose next write fails when the world says so, before it has written anything. */
  #unreliable(store: Store): Store {
    const mayFail = () => {
      if (!this.#failsNext) return;
      this.#failsNext = false;
      this.counts.failedWrites++;
      throw new ChoraleError('STORE_ERROR', 'the disk does not answer');
    };
    return {
      ...store,
      saveEngine: (...args) => (mayFail(), store.saveEngine(...args)),
      acceptUpdates: (...args) => (mayFail(), store.acceptUpdates(...args)),
      closeRound: (...args) => (mayFail(), store.closeRound(...args)),
      recordEvaluation: (...args) => (mayFail(), store.recordEvaluation(...args)),
      addContributor: (...args) => (mayFail(), store.addContributor(...args)),
    };
  }

  #startServer(): ModelServer {
    return new ModelServer({
      run: this.#run,
      rules: this.#rules,
      store: this.#store,
      now: () => this.nowMs,
      random: this.random,
    });
  }

  get hasEnded(): boolean {
    return hasEnded(this.server.state.durable.phase);
  }

  /* ------------------------------------------------ one step ------------------------------------------------ */

  step(): void {
    const { random, server } = this;
    const client = this.clients[random(CLIENTS)]!;
    const choice = random(1000);
    if (choice < 400) this.#deliverSome();
    else if (choice < 560) this.#move(client);
    else if (choice < 700) client.compute();
    else if (choice < 760) server.flush();
    else if (choice < 840) this.#attempt(() => server.work());
    else if (choice < 870) this.#attempt(() => server.measured());
    else if (choice < 930) this.#pass(random(8_000));
    else if (choice < 940) this.#jump();
    else if (choice < 952) this.#cut();
    else if (choice < 960) client.repeat();
    else if (choice < 963) client.disturb();
    else if (choice < 966) client.leave();
    else if (choice < 976) client.setAvailable(random(2) === 0);
    else if (choice < 982) this.#attempt(() => server.dispatch({ type: 'pause' }));
    else if (choice < 990) this.#attempt(() => server.dispatch({ type: 'resume' }));
    else if (choice < 994) this.#failsNext = true;
    else if (choice < 999) this.crash();
    else if (random(8) === 0) this.#attempt(() => server.dispatch({ type: 'stop' }));
    this.#check();
  }

  /** Part of what is under way on one line, to one side; a server may get several lines' messages in any order. */
  #deliverSome(): void {
    const { random } = this;
    if (this.#lines.length === 0) return;
    const { pair } = this.#lines[random(this.#lines.length)]!;
    pair.deliver(random(2) === 0 ? 'client' : 'server', 1 + random(3));
    this.#forgetSilentLines();
  }

  #forgetSilentLines(): void {
    this.#lines = this.#lines.filter(
      ({ pair }) =>
        pair.client.isOpen ||
        pair.server.isOpen ||
        pair.inTransit('client') > 0 ||
        pair.inTransit('server') > 0,
    );
  }

  #move(client: ScriptedClient): void {
    if (client.end === null) this.#connect(client);
    else if (!client.isJoined && !client.knowsEnd) client.join();
  }

  #connect(client: ScriptedClient): void {
    const pair = socketPair<ToServer, ToClient>();
    this.#lines.push({ pair, client });
    client.opened(pair.client);
    this.server.connect({ end: pair.server, identity: client.identity });
  }

  #pass(ms: number): void {
    this.nowMs += ms;
    this.#tick();
  }

  #jump(): void {
    this.counts.jumps++;
    this.#pass(this.random(100_000_000) * (this.random(2) === 0 ? 1 : -1));
  }

  #tick(): void {
    this.#attempt(() => this.server.dispatch({ type: 'tick' }));
    for (const contributorId of this.server.gone.splice(0)) {
      this.#attempt(() => this.server.dispatch({ type: 'disconnect', contributorId }));
    }
  }

  #cut(): void {
    if (this.#lines.length === 0) return;
    this.counts.cuts++;
    const { pair, client } = this.#lines[this.random(this.#lines.length)]!;
    switch (this.random(3)) {
      case 0:
        return pair.cut();
      case 1:
        // The tab went to another network: what she had sent may arrive after what she sends on the new connection.
        pair.client.close();
        if (client.end === pair.client) client.closed();
        return;
      default:
        pair.server.close();
        pair.server.onClose();
    }
  }

  /** kill -9: what is stored stays, and nothing else. */
  crash(): void {
    this.counts.crashes++;
    for (const { pair } of this.#lines) {
      pair.server.onMessage = () => undefined;
      pair.server.onClose = () => undefined;
      pair.cut();
    }
    this.server = this.#startServer();
  }

  /** What the engine or the store may refuse. */
  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof ChoraleError)) throw error;
    }
  }

  /* ------------------------------------------------ the end ------------------------------------------------ */

  /** Nothing fails any more: everybody comes back, and everything that waits is done, until nothing is left to do. */
  finish(): void {
    this.#failsNext = false;
    for (let turn = 0; turn < 2_000; turn++) {
      for (const client of this.clients) {
        this.#move(client);
        if (client.isJoined || client.knowsEnd) client.compute();
      }
      for (const { pair } of this.#lines) {
        pair.deliver('server');
        this.server.flush();
        pair.deliver('client');
      }
      this.#forgetSilentLines();
      if (this.server.view.status === 'paused') this.#attempt(() => this.server.dispatch({ type: 'resume' }));
      const waits = this.server.effects.length === 0 && this.server.measuring.length === 0;
      while (this.server.effects.length > 0) this.server.work();
      while (this.server.measuring.length > 0) this.server.measured();
      const isQuiet = this.#lines.every(
        ({ pair }) => pair.inTransit('client') === 0 && pair.inTransit('server') === 0,
      );
      if (waits && isQuiet && !this.hasEnded) {
        const { timeoutMs } = this.server;
        this.nowMs = Math.max(this.nowMs, timeoutMs ?? this.nowMs);
        this.#tick();
      }
      this.#check();
      if (this.hasEnded && isQuiet && this.#everybodyKnows()) return;
      // Who joined before the run ended asks again.
      if (this.hasEnded) for (const client of this.clients) if (!client.knowsEnd) client.isJoined = false;
    }
    throw new Error(`the run did not end: ${JSON.stringify(this.server.view)}`);
  }

  #everybodyKnows(): boolean {
    return this.clients.every((client) => client.knowsEnd && client.pending.size === 0);
  }

  /* ------------------------------------------------ invariants ------------------------------------------------ */

  #check(): void {
    const { runId } = this.#run;
    const { view, state } = this.server;
    if (view.cohort > this.#rules.askedSize) throw new Error(`a cohort of ${view.cohort}`);
    if (view.received > this.#rules.cohortSize) throw new Error(`${view.received} updates counted`);
    if (!hasEnded(state.durable.phase)) {
      const stored = this.#store.receivedContributors(runId, view.round);
      if (stored.join() !== receivedContributors(state).join()) {
        throw new Error(`stored ${stored.join()}, counted ${receivedContributors(state).join()}`);
      }
    }
    this.#checkAcknowledged();
    this.#checkAdapters();
  }

  /** Nothing that was acknowledged gets lost, and all of it is charged. */
  #checkAcknowledged(): void {
    const { runId } = this.#run;
    const acknowledged = this.clients.reduce((sum, client) => sum + client.acknowledged.length, 0);
    if (acknowledged === this.counts.acknowledged && this.random(8) > 0) return;
    this.counts.acknowledged = acknowledged;
    for (const { identity, acknowledged } of this.clients) {
      for (const { round, sha256 } of acknowledged) {
        const held = this.#store.getUpdateHash(runId, round, identity!.contributorId);
        if (held !== sha256) throw new Error(`round ${round} of ${identity!.contributorId} is lost`);
        const charged = this.#store.chargedRounds(runId, identity!.contributorId);
        if (!charged.includes(round)) throw new Error(`round ${round} was not charged`);
      }
    }
  }

  /** Each version is the one before and the plain mean of the updates stored for its round: each once, and all of them. */
  #checkAdapters(): void {
    const { runId } = this.#run;
    const latest = this.#store.latestAdapter(runId);
    const { adapterVersion } = this.server.state.durable;
    if (adapterVersion === this.#checkedVersion && latest.adapterVersion === adapterVersion) return;
    const rounds = this.#store.listRecords(runId).length - 1;
    if (latest.adapterVersion !== rounds || adapterVersion !== rounds) {
      throw new Error(`adapter ${latest.adapterVersion}, engine ${adapterVersion}, ${rounds} rounds`);
    }
    for (; this.#checkedVersion < rounds; this.#checkedVersion++) {
      const round = this.#checkedVersion + 1;
      const updates = [...this.#store.eachUpdate(runId, round)];
      const mean = new Float64Array(PARAMETERS);
      for (const { bytes } of updates) {
        decodeUpdate(bytes, bindingOf(this.#run)).values.forEach((value, k) => (mean[k]! += value));
      }
      this.#sums = this.#sums.map((sum, k) => sum + mean[k]! / updates.length);
      const { parameters } = this.#store.getAdapter(runId, round)!;
      if (parameters.join() !== this.#sums.join()) {
        throw new Error(`adapter ${round} is ${parameters.join()}, expected ${this.#sums.join()}`);
      }
      const record = this.#store.listRecords(runId).find((one) => one.round === round);
      if (record?.received !== updates.length) throw new Error(`record of round ${round}`);
    }
  }

  /**
   * At the end: who has an update in the store has heard so. There is one exception, which is counted: the copy that was
   * refused as late on a new connection may be overtaken by an older one that was still under way, and meets the next
   * attempt.
   */
  checkHeard(): void {
    for (const { identity, verdicts, sent } of this.clients) {
      for (const [round, bytes] of sent) {
        const held = this.#store.getUpdateHash(this.#run.runId, round, identity!.contributorId);
        const verdict = verdicts.get(round)!;
        if ((held === sha256(bytes)) === (verdict === 'stored')) continue;
        if (verdict === 'stored') throw new Error(`round ${round} was said to be stored`);
        if (!LATE.has(verdict)) throw new Error(`round ${round} is stored, she heard ${verdict}`);
        this.counts.heardLate++;
      }
    }
  }
}
