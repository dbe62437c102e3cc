import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { roundEpsilonUp, spentEpsilonAfter } from '@chorale/privacy';
import type { RunConfigInput } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { privacyPlanOf } from '@chorale/trainer/privacyPlan';
import type { ContributorOptions } from './contributor.ts';
import { Contributor } from './contributor.ts';
import { openMemoryLedger } from './ledger.ts';
import { ScriptedServer, publicRun, until } from './testing/scriptedServer.ts';
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
  trainer = new ScriptedTrainer(server.binding);
  released = 0;
  contributor = new Contributor({
    serverUrl: server.url,
    runId: null,
    forcedBackend: null,
    openWorker: () => trainer.worker(),
    openLedger: () => Promise.resolve(openMemoryLedger()),
    holdRun: () =>
      Promise.resolve(() => {
        released += 1;
      }),
    ...options,
  });
}

async function prepare(): Promise<void> {
  await contributor.loadRun();
  await contributor.checkDevice();
  await contributor.readText('text,label\na,yes\n');
  await contributor.chooseColumns({ text: 'text', label: 'label' });
}

const state = () => contributor.getState();

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
    const whole = spentEpsilonAfter(privacyPlanOf(server.run.run.plan), 5);
    expect(state()).toMatchObject({
      run: { status: 'ready', value: server.run },
      runState: server.run.state,
      spentEpsilon: 0,
      agreedEpsilon: roundEpsilonUp(whole),
    });
  });

  test('shows an own limit as what is agreed to', async () => {
    await open({ epsilonLimit: 1.2341 });
    await contributor.loadRun();
    expect(state().agreedEpsilon).toBe(1.235);
  });

  test('shows no epsilon in a run without protection', async () => {
    await open({}, { privacy: { unit: 'none' } });
    await contributor.loadRun();
    expect(state()).toMatchObject({ spentEpsilon: null, agreedEpsilon: null });
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
        message: expect.stringMatching(/not the one its hash names\. Nothing was sent/) as string,
      },
    });
    await contributor.checkDevice();
    await contributor.readText('text,label\na,yes\n');
    await contributor.chooseColumns({ text: 'text', label: 'label' });
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

  test('takes its own limit with it', async () => {
    await open({ epsilonLimit: 0.001 });
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    server.startRound(1);
    await until(() => state().participation.status === 'stopped', 'the end');
    expect(state().participation).toMatchObject({ because: 'budget-spent' });
    expect(trainer.calls).toEqual([]);
  });

  test('without an own limit the plan is the limit', async () => {
    await open({}, { rounds: { count: 1, cohortSize: 1, minimumUpdates: 1 } });
    await prepare();
    await contributor.join();
    await until(() => state().participation.status === 'waiting', 'joined');
    server.startRound(1);
    await until(() => trainer.calls.length === 1, 'training');
    trainer.calls[0]!.finish();
    await until(() => state().contributions[0]?.outcome === 'accepted', 'accepted');
    server.startRound(2); // one more than the plan has
    await until(() => state().participation.status === 'stopped', 'the end');
    expect(state().participation).toMatchObject({ because: 'budget-spent' });
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

describe('a worker that died', () => {
  test.each([
    ['setRun', () => contributor.loadRun(), () => state().run],
    ['checkDevice', () => contributor.checkDevice(), () => state().device],
    ['openTable', () => contributor.readText('text,label\na,yes\n'), () => state().rows.table],
    [
      'chooseColumns',
      () => contributor.chooseColumns({ text: 'text', label: 'label' }),
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
    void contributor.chooseColumns({ text: 'label', label: 'text' });
    trainer.die();
    expect(state()).toMatchObject({
      run: { status: 'ready' },
      device: { status: 'ready' },
      rows: { table: { status: 'ready' }, columns: { text: 'label', label: 'text' } },
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
      message: expect.stringMatching(/Nothing was sent/) as string,
    });
    expect([released, trainer.terminated]).toEqual([1, 1]);
    await until(() => server.connections === 0, 'the connection to close');
    expect(server.updates).toEqual([]);
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
