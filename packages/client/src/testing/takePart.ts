import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { DpEvent } from '@chorale/privacy';
import type { RunConfigInput } from '@chorale/protocol';
import type { ConditionSource } from '../conditions.ts';
import { ConditionWatch } from '../conditions.ts';
import type { IdentityBackup } from '../identityBackup.ts';
import type { Identity, KeptIdentity, Ledger, LedgerEntry } from '../ledger.ts';
import { openMemoryLedger } from '../ledger.ts';
import { RoundLoop } from '../roundLoop.ts';
import { ScriptedServer, publicRun, until } from './scriptedServer.ts';
import { ScriptedTrainer } from './scriptedTrainer.ts';
import type { Contribution, Limits, Participation } from '../state.ts';
import { StateStore } from '../stateStore.ts';
import type { Wakeup } from '../wakeups.ts';

/** A ledger whose writes a test can hold up or let fail. */
export class ProbedLedger implements Ledger {
  readonly #inner = openMemoryLedger();
  /** Called before an entry is written; what it throws, the write throws. */
  beforeWrite: (entry: LedgerEntry) => Promise<void> | void = () => undefined;
  /** The same, before who she is. */
  beforeSaveIdentity: (identity: KeptIdentity) => Promise<void> | void = () => undefined;

  identity = (): Promise<KeptIdentity | null> => this.#inner.identity();

  async saveIdentity(identity: KeptIdentity): Promise<void> {
    await this.beforeSaveIdentity(identity);
    await this.#inner.saveIdentity(identity);
  }

  limits = (): Promise<Limits | null> => this.#inner.limits();

  saveLimits = (limits: Limits): Promise<void> => this.#inner.saveLimits(limits);

  entries = (): Promise<LedgerEntry[]> => this.#inner.entries();

  otherRuns = (): Promise<DpEvent[]> => this.#inner.otherRuns();

  async add(entry: LedgerEntry): Promise<void> {
    await this.beforeWrite(entry);
    await this.#inner.add(entry);
  }

  async settle(entry: LedgerEntry): Promise<void> {
    await this.beforeWrite(entry);
    await this.#inner.settle(entry);
  }
}

/** A backup that lasts as long as the test. */
export class ProbedBackup implements IdentityBackup {
  kept: Identity | null = null;
  reads = 0;
  saves = 0;
  /** Called before it answers; what it throws, the question throws. */
  beforeAnswer: () => void = () => undefined;

  async read(): Promise<Identity | null> {
    this.reads += 1;
    this.beforeAnswer();
    return this.kept;
  }

  async save(_runId: string, identity: Identity): Promise<void> {
    this.saves += 1;
    this.beforeAnswer();
    this.kept = identity;
  }
}

export type TakerOptions = {
  ledger?: ProbedLedger;
  /** None but these. */
  limits?: Partial<Limits>;
  identityBackup?: IdentityBackup;
  stepTimeoutMs?: number;
  settleTimeoutMs?: number;
  sendTickMs?: number;
  invite?: string;
  conditions?: ConditionSource;
};

/** A contributor in a round loop on a scripted server, with all that a test looks at. */
export class Taker {
  readonly store = new StateStore();
  readonly trainer: ScriptedTrainer;
  readonly loop: RoundLoop;
  readonly ledger: ProbedLedger;
  /** Every participation it showed, in order. */
  readonly shown: Participation[] = [];
  readonly conditions: ConditionWatch | null;
  #onWakeup: (what: Wakeup) => void = () => undefined;
  joins = 0;
  endings = 0;

  constructor(
    server: ScriptedServer,
    {
      ledger = new ProbedLedger(),
      limits,
      identityBackup,
      stepTimeoutMs = 60_000,
      settleTimeoutMs,
      sendTickMs = 1,
      invite,
      conditions,
    }: TakerOptions,
  ) {
    this.ledger = ledger;
    const plan = privacyPlanOf(server.run.run.plan);
    this.trainer = new ScriptedTrainer(server.run.run);
    this.store.subscribe(() => {
      if (this.shown.at(-1) !== this.participation) this.shown.push(this.participation);
    });
    this.conditions = conditions ? new ConditionWatch(conditions, () => this.loop.weighConditions()) : null;
    this.loop = new RoundLoop({
      serverUrl: server.url,
      run: server.run.run,
      plan,
      limits: {
        epsilonLimit: plan.unit === 'none' ? null : 1e6,
        leastNoiseMultiplier: plan.unit === 'none' ? null : plan.noiseMultiplier,
        mostRounds: 1e6,
        ...limits,
      },
      ledger,
      identityBackup: identityBackup ?? null,
      invite: invite ?? null,
      conditions: this.conditions,
      wakeups: (listener) => {
        this.#onWakeup = listener;
        return () => {
          this.#onWakeup = () => undefined;
        };
      },
      stepTimeoutMs,
      settleTimeoutMs,
      sendTickMs,
      trainer: this.trainer.remote,
      store: this.store,
      onJoined: () => {
        this.joins += 1;
      },
      onEnded: () => {
        this.endings += 1;
      },
    });
  }

  /** What the browser would tell. */
  wake(what: Wakeup): void {
    this.#onWakeup(what);
  }

  get participation(): Participation {
    return this.store.state.participation;
  }

  contribution(round: number): Contribution | undefined {
    return this.store.state.contributions.find((one) => one.round === round);
  }

  outcome(round: number): Contribution['outcome'] | undefined {
    return this.contribution(round)?.outcome;
  }

  async shows(status: Participation['status']): Promise<void> {
    await until(
      () => this.participation.status === status,
      `"${status}", not ${JSON.stringify(this.participation)}`,
    );
  }

  /** Waits for the trainer's so many-th call, from 1. */
  async training(count = 1) {
    await until(() => this.trainer.calls.length >= count, `call ${count} of the trainer`);
    return this.trainer.calls[count - 1]!;
  }

  async settled(round: number, outcome: Contribution['outcome']): Promise<void> {
    await until(
      () => this.outcome(round) === outcome,
      `round ${round} ${outcome}, not ${this.outcome(round)}`,
    );
  }
}

/** A server and its contributors, cleaned up together. */
export class TestBench {
  readonly server: ScriptedServer;
  readonly #takers: Taker[] = [];

  private constructor(server: ScriptedServer) {
    this.server = server;
  }

  static async open(config: Partial<RunConfigInput> = {}): Promise<TestBench> {
    const server = new ScriptedServer(await publicRun(config));
    await server.start();
    return new TestBench(server);
  }

  /** Starts taking part and waits until it has joined. */
  async join(options: TakerOptions = {}): Promise<Taker> {
    const taker = await this.enter(options);
    await taker.shows('waiting');
    return taker;
  }

  async enter(options: TakerOptions = {}): Promise<Taker> {
    const taker = new Taker(this.server, options);
    this.#takers.push(taker);
    await taker.loop.start();
    return taker;
  }

  /** Ends a page as closing its tab does: without a word. */
  async close(taker: Taker): Promise<void> {
    taker.loop.fail('the tab was closed');
    taker.trainer.close();
    await until(() => this.server.connections === 0, 'the connection to close');
  }

  async clean(): Promise<void> {
    for (const taker of this.#takers) {
      taker.loop.fail('the test is over');
      taker.trainer.close();
    }
    await this.server.stop();
  }
}
