import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { DpEvent } from '@chorale/privacy';
import { reportedEpsilon, roundEpsilonUp, roundEvent, spentEpsilonAfter } from '@chorale/privacy';
import type { RunConfigInput } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { ContributorOptions } from './contributor.ts';
import { Contributor } from './contributor.ts';
import type { Ledger } from './ledger.ts';
import { openMemoryLedger } from './ledger.ts';
import type { Limits } from './state.ts';
import { FakeConditions } from './testing/fakeConditions.ts';
import { ScriptedServer, publicRun, quiet, until } from './testing/scriptedServer.ts';
import { ScriptedTrainer } from './testing/scriptedTrainer.ts';

let server: ScriptedServer;
let trainer: ScriptedTrainer;
let contributor: Contributor;
let released: number;

async function open(
  options: Partial<ContributorOptions> = {},
  config: Partial<RunConfigInput> = {},
): Promise<void> {
  server = new ScriptedServer(await publicRun(config));
  await server.start();
  trainer = new ScriptedTrainer(server.run.run);
  released = 0;
  contributor = new Contributor({ ...usual(), ...options });
}

/** For the present server and trainer. */
function usual(): ContributorOptions {
  return {
    serverUrl: server.url,
    runId: null,
    forcedBackend: null,
    openWorker: () => trainer.worker(),
    openLedger: () => Promise.resolve(openMemoryLedger()),
    holdRun: () =>
      Promise.resolve(() => {
        released += 1;
      }),
    identityBackup: null,
    invite: null,
    conditions: null,
    wakeups: () => () => undefined,
  };
}

async function prepare(): Promise<void> {
  await contributor.loadRun();
  await contributor.checkDevice();
  await contributor.readText('text,label\na,yes\n');
  await contributor.chooseColumns({ text: 'text', textPair: null, label: 'label' });
}

const state = () => contributor.getState();
const planOf = () => privacyPlanOf(server.run.run.plan);

/** Waits until it is known how many rounds the limits allow. */
async function allowed(rounds: number): Promise<void> {
  await until(() => state().limits?.roundsAllowed !== null, 'the allowed rounds');
  expect(state().limits!.roundsAllowed).toBe(rounds);
}

beforeEach(() => {
  vi.spyOn(console, 'error').mockImplementation(() => undefined);
});
afterEach(async () => {
  await contributor.stop();
  trainer.close();
  await server.stop();
  vi.restoreAllMocks();
});

describe('loading the run', () => {
  test('shows the plan and what all of it costs', async () => {
    await open();
    const states: unknown[] = [];
    contributor.subscribe(() => states.push(state().run.status));
    await contributor.loadRun();
    expect(states[0]).toBe('loading');
    const whole = roundEpsilonUp(spentEpsilonAfter(planOf(), 5));
    expect(state()).toMatchObject({
      run: { status: 'ready', value: server.run },
      runState: server.run.state,
      spentEpsilon: 0,
      plannedEpsilon: whole,
      otherRunsEpsilon: null,
      limits: { limits: { epsilonLimit: whole, leastNoiseMultiplier: 1, mostRounds: 5 }, problem: null },
    });
    await allowed(5);
  });

  test('says why what all of it costs is not the tight bound', async () => {
    await open();
    await contributor.loadRun();
    expect(state().accountingNote).toBeNull();
    trainer.close();
    await server.stop();
    await open({}, { privacy: { unit: 'example', noiseMultiplier: 0.05, targetDelta: 1e-5 } });
    await contributor.loadRun();
    expect(state().accountingNote).toMatch(/^Rényi accounting/);
  });

  test('shows no epsilon in a run without protection', async () => {
    await open({}, { privacy: { unit: 'none' } });
    await contributor.loadRun();
    expect(state()).toMatchObject({
      spentEpsilon: null,
      plannedEpsilon: null,
      limits: { limits: { epsilonLimit: null, leastNoiseMultiplier: null, mostRounds: 5 }, problem: null },
    });
    await allowed(5);
  });

  test('shows what was spent and which limits were set in an earlier visit', async () => {
    await open({ openLedger: () => Promise.resolve(ledger) });
    const ledger = openMemoryLedger();
    await ledger.add({ round: 2, event: roundEvent(planOf()), payload: null, outcome: 'late' });
    await ledger.saveLimits({ epsilonLimit: 3, leastNoiseMultiplier: 0.5, mostRounds: 4 });
    await contributor.loadRun();
    expect(state()).toMatchObject({
      spentEpsilon: roundEpsilonUp(spentEpsilonAfter(planOf(), 1)),
      limits: { limits: { epsilonLimit: 3, leastNoiseMultiplier: 0.5, mostRounds: 4 } },
    });
  });

  test('adds up what other runs of this browser spent, of whatever unit', async () => {
    const example = roundEvent(planOf());
    const contributorEvent: DpEvent = {
      type: 'gaussian',
      privacyUnit: 'contributor',
      neighbouringRelation: 'replace',
      noiseMultiplier: 3,
    };
    const ledger = { ...openMemoryLedger(), otherRuns: async () => [example, contributorEvent, example] };
    await open({ openLedger: () => Promise.resolve(ledger) });
    await contributor.loadRun();
    await until(() => state().otherRunsEpsilon !== null, 'the other runs');
    const gaussian: DpEvent = {
      type: 'gaussian',
      privacyUnit: 'example',
      neighbouringRelation: 'zero-out',
      noiseMultiplier: 3,
    };
    const all = reportedEpsilon({ type: 'composed', events: [example, example, gaussian] }, 1e-5).epsilon;
    expect(state().otherRunsEpsilon).toBeCloseTo(roundEpsilonUp(all), 6);
  });

  test('a ledger that cannot be read does not keep the run from being looked at', async () => {
    const refuses = () => Promise.reject(new ChoraleError('LEDGER_UNAVAILABLE', 'no storage here'));
    const looked = {
      run: { status: 'ready' },
      limits: { problem: null },
      // Nobody may read that nothing was spent
      spentEpsilon: null,
      ledgerProblem: { code: 'LEDGER_UNAVAILABLE', message: 'no storage here' },
    };
    for (const openLedger of [
      refuses,
      () => Promise.resolve({ ...openMemoryLedger(), entries: refuses }),
      () => Promise.resolve({ ...openMemoryLedger(), limits: refuses }),
    ]) {
      await open({ openLedger });
      await contributor.loadRun();
      expect(state()).toMatchObject(looked);
      trainer.close();
      await server.stop();
    }
    await open();
    await contributor.loadRun();
    expect(state()).toMatchObject({ spentEpsilon: 0, ledgerProblem: null });
  });

  test('a plan that its hash does not name is refused', async () => {
    await open();
    const { run } = server.run;
    const weaker = { ...run.plan, noiseMultiplier: 0.1 };
    server.run = { ...server.run, run: { ...run, plan: weaker } };
    await contributor.loadRun();
    expect(state().run).toMatchObject({
      status: 'failed',
      error: {
        code: 'PLAN_CHANGED',
        message: expect.stringMatching(/not the one its hash names\. Nothing more is sent/) as string,
      },
    });
    await contributor.checkDevice();
    await contributor.readText('text,label\na,yes\n');
    await contributor.chooseColumns({ text: 'text', textPair: null, label: 'label' });
    await contributor.join();
    expect(state().participation.status).toBe('not-joined');
    expect(server.joins).toEqual([]);
  });

  test.each([
    [404, 'RUN_UNKNOWN'],
    [500, 'DISCONNECTED'],
  ])('an answer of %d is %s', async (status, code) => {
    await open();
    server.onRequest = (_, response) => response.writeHead(status).end();
    await contributor.loadRun();
    expect(state().run).toMatchObject({ status: 'failed', error: { code } });
  });

  test('a server that is gone, and a run that does not fit the protocol', async () => {
    await open();
    server.onRequest = (_, response) => response.end('{"run": 1}');
    await contributor.loadRun();
    expect(state().run).toMatchObject({ status: 'failed', error: { code: 'MESSAGE_INVALID' } });
    await server.stop();
    await contributor.loadRun();
    expect(state().run).toMatchObject({ status: 'failed', error: { code: 'DISCONNECTED' } });
  });
});

describe('joining', () => {
  test('needs run, device and rows', async () => {
    await open();
    await contributor.loadRun();
    await contributor.checkDevice();
    await contributor.join();
    expect(state().participation.status).toBe('not-joined');
    expect(server.connections).toBe(0);
  });

  test('takes part in rounds until the run ends, with the backend that was chosen', async () => {
    await open();
    await prepare();
    await Promise.all([contributor.join(), contributor.join()]);
    await until(() => state().participation.status === 'waiting', 'joined');
    expect(server.joins).toMatchObject([{ backend: 'wasm', planHash: server.run.run.planHash }]);
    server.startRound(1);
    await until(() => trainer.calls.length === 1, 'training');
    const bytes = trainer.calls[0]!.finish();
    await until(() => state().contributions[0]?.outcome === 'accepted', 'accepted');
    expect(server.updates).toEqual([{ round: 1, bytes }]);
    server.sendState({ status: 'completed' });
    await until(() => state().participation.status === 'stopped', 'the end');
    expect(state().participation).toMatchObject({ because: 'run-completed' });
    expect([released, trainer.terminated]).toEqual([1, 1]);
  });

  test('a limit of her own holds: she reads on when it is reached, and it stays for the next visit', async () => {
    await open({ openLedger: () => Promise.resolve(ledger) });
    const ledger = openMemoryLedger();
    await prepare();
    const limits = { ...state().limits!.limits, mostRounds: 1 };
    contributor.setLimits(limits);
    await allowed(1);
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    expect(await ledger.limits()).toEqual(limits);
    server.startRound(1);
    await until(() => trainer.calls.length === 1, 'training');
    trainer.calls[0]!.finish();
    await until(() => state().participation.status === 'reading', 'reading');
    expect(state().participation).toMatchObject({ because: 'most-rounds' });
    expect([released, trainer.terminated, server.connections]).toEqual([0, 0, 1]);
  });

  test('without an own limit the plan is the limit, and a round beyond it is refused', async () => {
    await open({}, { rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 } });
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    server.startRound(1);
    await until(() => trainer.calls.length === 1, 'training');
    trainer.calls[0]!.finish();
    await until(() => state().contributions[0]?.outcome === 'accepted', 'accepted');
    await until(() => state().participation.status === 'waiting', 'the end of the run to be waited for');
    server.startRound(2); // one more than the plan has
    await until(() => state().participation.status === 'stopped', 'the end');
    expect(state().participation).toMatchObject({ because: 'refused' });
    expect(trainer.calls).toHaveLength(1);
  });

  test('asks the browser not to evict, once, and only when she joins', async () => {
    let asked = 0;
    await open({ askToKeep: () => (asked += 1) });
    await prepare();
    expect(asked).toBe(0);
    await contributor.join();
    expect(asked).toBe(1);
  });

  test('a run that another tab holds is left to it', async () => {
    const asked: string[] = [];
    await open({
      holdRun: (runId) => {
        asked.push(runId);
        return Promise.resolve(null);
      },
    });
    await prepare();
    await contributor.join();
    expect(state().participation).toMatchObject({ status: 'stopped', because: 'other-tab' });
    expect(asked).toEqual(['run-1']);
    expect([server.connections, server.joins]).toEqual([0, []]);
  });

  test('without a ledger does not begin, and frees the run', async () => {
    await open({
      openLedger: () => Promise.reject(new ChoraleError('LEDGER_UNAVAILABLE', 'no storage here')),
    });
    await prepare();
    await contributor.join();
    expect(state().participation).toMatchObject({ because: 'device-error', message: 'no storage here' });
    expect([released, server.connections]).toEqual([1, 0]);
  });

  test('stop leaves, frees the run and ends the worker', async () => {
    await open();
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    await contributor.stop();
    expect(state().participation).toMatchObject({ because: 'withdrawn' });
    expect([server.leaves, released, trainer.terminated]).toEqual([1, 1, 1]);
  });
});

describe('own limits', () => {
  const set = (change: Partial<Limits>) => contributor.setLimits({ ...state().limits!.limits, ...change });
  const problem = (message: RegExp) => ({
    code: 'LIMITS_EXCEEDED',
    message: expect.stringMatching(message) as string,
  });

  test('come to so many rounds of the plan', async () => {
    await open();
    await contributor.loadRun();
    set({ epsilonLimit: spentEpsilonAfter(planOf(), 3) });
    expect(state().limits).toMatchObject({ problem: null, roundsAllowed: null });
    await allowed(3);
    set({ mostRounds: 2 });
    await allowed(2);
    set({ mostRounds: 2000, epsilonLimit: 1e3 });
    await allowed(5);
  });

  test('named from outside come before those of an earlier visit, and these before the plan', async () => {
    await open({ limits: { mostRounds: 2 }, openLedger: () => Promise.resolve(ledger) });
    const ledger = openMemoryLedger();
    await ledger.saveLimits({ epsilonLimit: 0.9, leastNoiseMultiplier: 0.7, mostRounds: 4 });
    await contributor.loadRun();
    expect(state().limits!.limits).toEqual({
      epsilonLimit: 0.9,
      leastNoiseMultiplier: 0.7,
      mostRounds: 2,
    });
  });

  describe('of the ledger', () => {
    const STRICT = { epsilonLimit: 2.5, leastNoiseMultiplier: 1, mostRounds: 1 };

    /** She joined, and reads: the round that her limits allow is spent. */
    async function expectStrict(ledger: Ledger): Promise<void> {
      await until(() => state().participation.status === 'reading', 'reading');
      expect(state().limits).toMatchObject({ limits: STRICT, problem: null, roundsAllowed: 1 });
      expect(await ledger.limits()).toEqual(STRICT);
      server.startRound(2);
      await quiet();
      expect(trainer.calls).toEqual([]);
    }

    async function spentAndStrict(): Promise<Ledger> {
      const ledger = openMemoryLedger();
      const event = roundEvent(privacyPlanOf((await publicRun()).run.plan));
      await ledger.add({ round: 1, event, payload: null, outcome: 'accepted' });
      await ledger.saveLimits(STRICT);
      return ledger;
    }

    test('that could not be opened when the page was loaded hold all the same', async () => {
      const ledger = await spentAndStrict();
      let opened = 0;
      await open({
        openLedger: async () => {
          opened += 1;
          if (opened === 1) throw new ChoraleError('LEDGER_UNAVAILABLE', 'held by another tab');
          return ledger;
        },
      });
      await prepare();
      expect(state()).toMatchObject({
        spentEpsilon: null,
        ledgerProblem: { message: 'held by another tab' },
      });
      await contributor.join();
      await expectStrict(ledger);
      expect(state().ledgerProblem).toBeNull();
      expect(state().spentEpsilon).toBe(roundEpsilonUp(spentEpsilonAfter(planOf(), 1)));
    });

    test('that another tab has set since this one was loaded hold here too', async () => {
      const ledger = await spentAndStrict();
      await ledger.saveLimits({ ...STRICT, epsilonLimit: 50, mostRounds: 5 });
      await open({ openLedger: () => Promise.resolve(ledger) });
      await prepare();
      expect(state().limits!.limits.mostRounds).toBe(5);
      await ledger.saveLimits(STRICT);
      await contributor.join();
      await expectStrict(ledger);
    });

    test('give way to what she herself sets in this tab, each by itself', async () => {
      const ledger = await spentAndStrict();
      await ledger.saveLimits({ ...STRICT, epsilonLimit: 50, mostRounds: 5 });
      await open({ openLedger: () => Promise.resolve(ledger) });
      await prepare();
      set({ mostRounds: 4 });
      await ledger.saveLimits({ ...STRICT, epsilonLimit: 40 });
      await contributor.join();
      await until(() => state().participation.status === 'waiting', 'joined');
      expect(await ledger.limits()).toEqual({ ...STRICT, epsilonLimit: 40, mostRounds: 4 });
    });

    test('that refuse the plan by now keep her from joining, and the run is free again', async () => {
      const ledger = await spentAndStrict();
      await open({ openLedger: () => Promise.resolve(ledger) });
      await prepare();
      await ledger.saveLimits({ ...STRICT, leastNoiseMultiplier: 2 });
      await contributor.join();
      expect(state().participation.status).toBe('not-joined');
      expect(state().limits!.problem).toMatchObject(problem(/at least 2, this run adds only 1\./));
      expect([released, server.connections]).toEqual([1, 0]);
      set({ leastNoiseMultiplier: 1 });
      await contributor.join();
      await expectStrict(ledger);
    });

    test('that cannot be read are not replaced: she does not join', async () => {
      const ledger = await spentAndStrict();
      const damaged = () =>
        Promise.reject(new ChoraleError('LEDGER_UNAVAILABLE', 'the limits cannot be read'));
      await open({ openLedger: () => Promise.resolve({ ...ledger, limits: damaged }) });
      await prepare();
      await contributor.join();
      expect(state().participation).toMatchObject({
        because: 'device-error',
        message: 'the limits cannot be read',
      });
      expect(await ledger.limits()).toEqual(STRICT);
      expect([released, server.connections]).toEqual([1, 0]);
    });
  });

  test('that one round would cross refuse the plan: it is not joined', async () => {
    await open();
    await prepare();
    const one = roundEpsilonUp(spentEpsilonAfter(planOf(), 1));
    set({ epsilonLimit: 0.001 });
    await contributor.join(); // before what they come to is known
    expect(state().limits).toMatchObject({
      problem: problem(new RegExp(`at most 0\\.001, one round of this run costs ${one}\\.`)),
      roundsAllowed: 0,
    });
    expect(state().participation.status).toBe('not-joined');
    expect([server.joins, server.connections]).toEqual([[], 0]);
    set({ epsilonLimit: one });
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
  });

  test('of noise that the plan does not reach refuse it: it is not joined', async () => {
    await open();
    await prepare();
    set({ leastNoiseMultiplier: 1.01 });
    await contributor.join();
    expect(state().limits).toMatchObject({
      problem: problem(/at least 1\.01, this run adds only 1\. /),
      roundsAllowed: 0,
    });
    expect(server.connections).toBe(0);
    set({ leastNoiseMultiplier: 1 });
    await allowed(5);
  });

  test('of noise hold for the counts of a tab too; untouched, they are just what the plan asks for', async () => {
    await open({}, { localMetrics: { noiseMultiplier: 0.8 } });
    await prepare();
    expect(state().limits!.limits.leastNoiseMultiplier).toBe(0.8);
    await allowed(5);
    set({ leastNoiseMultiplier: 0.9 });
    await contributor.join();
    expect(state().limits!.problem).toMatchObject(
      problem(/at least 0\.9, this run adds only 0\.8 to the counts of your rows \(localMetrics\)/),
    );
    expect(server.connections).toBe(0);
  });

  test.each([
    [{ epsilonLimit: 0 }, /epsilonLimit/],
    [{ epsilonLimit: -1 }, /epsilonLimit/],
    [{ epsilonLimit: NaN }, /epsilonLimit/],
    [{ epsilonLimit: Infinity }, /epsilonLimit/],
    [{ epsilonLimit: null }, /limit is missing/],
    [{ leastNoiseMultiplier: null }, /limit is missing/],
    [{ leastNoiseMultiplier: 0 }, /leastNoiseMultiplier/],
    [{ mostRounds: 0 }, /mostRounds/],
    [{ mostRounds: 1.5 }, /mostRounds/],
  ] as [Partial<Limits>, RegExp][])('%o is out of range', async (change, message) => {
    await open();
    await contributor.loadRun();
    set(change);
    expect(state().limits).toMatchObject({ problem: problem(message), roundsAllowed: 0 });
  });

  test('cannot be kept by a run that protects nobody', async () => {
    const ledger = openMemoryLedger(); // of a visit in which the run still protected her
    await ledger.saveLimits({ epsilonLimit: 5, leastNoiseMultiplier: 1, mostRounds: 5 });
    await open({ openLedger: () => Promise.resolve(ledger) }, { privacy: { unit: 'none' } });
    await prepare();
    await contributor.join();
    expect(state().limits!.problem).toMatchObject(problem(/protects nobody/));
    expect(state().participation.status).toBe('not-joined');
    set({ epsilonLimit: null });
    expect(state().limits!.problem).toMatchObject(problem(/protects nobody/));
    set({ epsilonLimit: null, leastNoiseMultiplier: null });
    await allowed(5);
  });

  test('cannot be changed any more once she has joined', async () => {
    await open();
    await prepare();
    await contributor.join();
    const before = state().limits;
    set({ mostRounds: 1 });
    expect(state().limits).toBe(before);
  });

  test('that cannot be written down keep her from joining', async () => {
    const saveLimits = () => Promise.reject(new ChoraleError('LEDGER_UNAVAILABLE', 'the disk is full'));
    await open({ openLedger: () => Promise.resolve({ ...openMemoryLedger(), saveLimits }) });
    await prepare();
    await contributor.join();
    expect(state().participation).toMatchObject({ because: 'device-error', message: 'the disk is full' });
    expect([released, server.connections]).toEqual([1, 0]);
  });
});

test('what comes of rows that were removed meanwhile is not shown', async () => {
  await open();
  await prepare();
  const nothing = { table: { status: 'none' }, columns: null, report: { status: 'none' } };
  const choosing = contributor.chooseColumns({ text: 'text', textPair: null, label: 'label' });
  contributor.clearRows();
  await choosing;
  expect(state().rows).toEqual(nothing);
  const reading = contributor.readText('text,label\na,yes\n');
  contributor.clearRows();
  await reading;
  expect(state().rows).toEqual(nothing);
});

test('progress of rows that arrives after their report does not take its place', async () => {
  await open();
  await prepare();
  const { report } = state().rows;
  expect(report.status).toBe('ready');
  await trainer.choiceProgress('Turning texts into tokens', 0.9);
  expect(state().rows.report).toEqual(report);
});

describe('a worker that died', () => {
  test.each([
    ['setRun', () => contributor.loadRun(), () => state().run],
    ['checkDevice', () => contributor.checkDevice(), () => state().device],
    ['openTable', () => contributor.readText('text,label\na,yes\n'), () => state().rows.table],
    [
      'chooseColumns',
      () => contributor.chooseColumns({ text: 'text', textPair: null, label: 'label' }),
      () => state().rows.report,
    ],
  ] as const)('while %s is awaited shows as failed', async (call, act, shown) => {
    await open();
    await prepare();
    trainer.silent.add(call);
    void act();
    await until(() => shown().status === 'loading', 'loading');
    trainer.die();
    expect(shown()).toMatchObject({
      status: 'failed',
      error: { code: 'DEVICE_ERROR', message: expect.stringMatching(/Reload the page/) as string },
    });
  });

  test('what was there stays beside what failed', async () => {
    await open();
    await prepare();
    trainer.silent.add('chooseColumns');
    void contributor.chooseColumns({ text: 'label', textPair: null, label: 'text' });
    trainer.die();
    expect(state()).toMatchObject({
      run: { status: 'ready' },
      device: { status: 'ready' },
      rows: { table: { status: 'ready' }, columns: { text: 'label', textPair: null, label: 'text' } },
    });
  });

  test('while it trains ends taking part', async () => {
    await open();
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    server.startRound(1);
    await until(() => trainer.calls.length === 1, 'training');
    trainer.die();
    expect(state().participation).toMatchObject({
      status: 'stopped',
      because: 'device-error',
      message: expect.stringMatching(/Nothing more is sent/) as string,
    });
    expect([released, trainer.terminated]).toEqual([1, 1]);
    await until(() => server.connections === 0, 'the connection to close');
    expect(server.updates).toEqual([]);
  });

  test('while it works out what the limits allow is noticed when joining', async () => {
    await open();
    await prepare();
    trainer.silent.add('roundsWithin');
    contributor.setLimits({ ...state().limits!.limits, mostRounds: 2 });
    const joining = contributor.join();
    trainer.die();
    await joining;
    expect(state().participation).toMatchObject({ status: 'stopped', because: 'device-error' });
    expect(server.joins).toEqual([]);
  });

  test('after everything was prepared is noticed at the latest when joining', async () => {
    await open();
    await prepare();
    trainer.die();
    await contributor.join();
    expect(state().participation).toMatchObject({ status: 'stopped', because: 'device-error' });
    expect(server.joins).toEqual([]);
  });
});

describe('when to contribute', () => {
  test('is shown from the start, kept, and pauses what is joined', async () => {
    const conditions = new FakeConditions();
    await open({ conditions });
    expect(state().conditions).toEqual({ choices: conditions.kept, reading: conditions.reading });
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'the join');
    conditions.change({ hidden: true });
    expect(state().conditions!.reading.hidden).toBe(true);
    expect(state().participation.status).toBe('waiting');
    contributor.setConditions({ battery: true, metered: true, hidden: true });
    expect(state().conditions!.choices).toEqual(conditions.kept);
    expect(conditions.kept.hidden).toBe(true);
    expect(state().participation).toMatchObject({ status: 'paused', by: 'hidden' });
    contributor.goOn();
    expect(state().participation.status).toBe('waiting');
    await contributor.stop();
    expect(conditions.watched).toBe(false);
  });

  test('is nothing where a device is meant to work always', async () => {
    await open();
    expect(state().conditions).toBeNull();
    contributor.setConditions({ battery: true, metered: true, hidden: true });
    contributor.goOn();
    expect(state().conditions).toBeNull();
  });
});

describe('somebody whom the server does not know any more', () => {
  /** She took part in round 1 before; the server that she comes back to was restored from an older backup. */
  async function comeBack(options: Partial<ContributorOptions> = {}) {
    const ledger = openMemoryLedger();
    await open({ openLedger: () => Promise.resolve(ledger), ...options });
    const { planHash } = server.run.run;
    await ledger.saveIdentity({ contributorId: 'contributor1', token: 'old-token-of-hers', planHash });
    await ledger.add({ round: 1, event: roundEvent(planOf()), payload: null, outcome: 'accepted' });
    server.answerHandshake = ({ identity }) =>
      identity?.token === 'old-token-of-hers' ? 'IDENTITY_INVALID' : null;
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'stopped', 'the end');
    expect(state().participation).toMatchObject({ because: 'unknown-here' });
    return ledger;
  }

  test('starts anew when she says so: what she spent counts on, and no round of it is computed again', async () => {
    const ledger = await comeBack();
    expect(server.handshakes).toHaveLength(1);
    expect(await contributor.startAnew()).toBe(true);
    expect(released).toBe(2);
    trainer.close();
    // The next visit
    trainer = new ScriptedTrainer(server.run.run);
    contributor = new Contributor({ ...usual(), openLedger: () => Promise.resolve(ledger) });
    await prepare();
    expect(state().spentEpsilon).toBe(roundEpsilonUp(spentEpsilonAfter(planOf(), 1)));
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'the join');
    expect(server.handshakes[1]).not.toHaveProperty('identity');
    expect(server.joins).toMatchObject([{ chargedRounds: [1] }]);
    server.startRound(1);
    await quiet();
    expect(trainer.calls).toEqual([]);
    server.startRound(2);
    await until(() => trainer.calls.length === 1, 'round 2');
    trainer.calls[0]!.finish();
    const both = roundEpsilonUp(spentEpsilonAfter(planOf(), 2));
    await until(() => state().spentEpsilon === both, 'what both rounds cost together');
  });

  test('stays who she was where another tab has the run, and without the question', async () => {
    let holds = 0;
    const ledger = await comeBack({ holdRun: () => Promise.resolve(holds++ === 0 ? () => undefined : null) });
    expect(await contributor.startAnew()).toBe(false);
    expect(state().participation).toMatchObject({ because: 'other-tab' });
    expect(await ledger.identity()).toMatchObject({ contributorId: 'contributor1' });
    // That was the end of another kind
    expect(await contributor.startAnew()).toBe(false);
    expect(holds).toBe(2);
  });
});

test('an invite goes along, and its page hears when it has done its work', async () => {
  let joins = 0;
  await open({ invite: 'an-invite-code-of-enough-letters', onJoined: () => (joins += 1) });
  await prepare();
  expect(joins).toBe(0);
  await contributor.join();
  await until(() => state().participation.status === 'waiting', 'the join');
  expect(server.handshakes).toMatchObject([{ invite: 'an-invite-code-of-enough-letters' }]);
  expect(joins).toBe(1);
});
