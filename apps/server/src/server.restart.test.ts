import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { modelPiecePath, publicRunSchema, runDetailSchema } from '@chorale/protocol';
import { openDataDirectory } from './dataDirectory.ts';
import { sha256Of } from './fileStore.ts';
import { INITIAL_PARAMETERS, TestSite, asAdmin, getDetail, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 0.5, 1];

describe('a server that comes back', () => {
  it('finishes the round it was in, with the update it had acknowledged', async () => {
    site = new TestSite();
    const first = await site.start();
    const [a, b] = await site.joined(first, 2);
    await a!.round(1);
    await a!.send(1, U1);
    await site.stop(first);

    const second = await site.start();
    expect(second.runId).toBe(first.runId);
    expect((await getRun(second)).state).toMatchObject({
      status: 'training',
      round: 1,
      received: 1,
      cohort: 2,
    });
    const againA = await site.contributor(second);
    againA.identity = a!.identity;
    expect((await againA.joinOrThrow()).chargedRounds).toEqual([1]);
    // The acknowledgement may have been lost with the old server: the same bytes are acknowledged again.
    expect(await againA.send(1, U1)).toEqual({ ok: true, value: { round: 1, duplicate: true } });
    const againB = await site.contributor(second);
    againB.identity = b!.identity;
    await againB.joinOrThrow();
    const start = await againB.round(1);
    expect(start).toMatchObject({ attempt: 1, parameters: INITIAL_PARAMETERS });
    expect(start.timeLeftMs).toBeGreaterThan(55_000);
    expect(againA.rounds).toEqual([]);
    await againB.send(1, U2);
    const next = await againA.round(2);
    const sums = U1.map((value, i) => (Math.fround(value) + Math.fround(U2[i]!)) / 2);
    expect(next.parameters).toEqual(Float32Array.from(INITIAL_PARAMETERS, (value, i) => value + sums[i]!));
  });

  it('aggregates a round that was complete when it died, exactly once', async () => {
    site = new TestSite();
    const first = await site.start();
    const [a, b] = await site.joined(first, 2);
    await a!.round(1);
    await a!.send(1, U1);
    await b!.send(1, U2);
    await a!.round(2);
    await site.stop(first);
    // What a crash between the last stored update and the aggregation leaves behind.
    const data = openDataDirectory(site.dataDir);
    const stored = data.store.getRun(first.runId)!;
    const state = JSON.parse(stored.engineState) as {
      phase: { status: string };
    };
    expect(state.phase.status).toBe('training');
    const ids = [a!.identity!.contributorId, b!.identity!.contributorId];
    const bytes = a!.encode(2, U1);
    const sha256 = sha256Of(bytes);
    data.store.acceptUpdates(
      first.runId,
      ids.map((contributorId) => ({ round: 2, contributorId, bytes, sha256, receivedAtMs: 1 })),
      {
        status: 'aggregating',
        engineState: JSON.stringify({
          ...state,
          phase: {
            status: 'aggregating',
            closed: { round: 2, attempt: 1, startedAtMs: 0, cohort: ids },
            then: 'go-on',
            sinceMs: 0,
          },
        }),
      },
    );
    data.close();
    const second = await site.start();
    const run = await until(async () => {
      const now = await getRun(second);
      return now.state.status === 'completed' && now;
    }, 'completed');
    expect(run.rounds.map(({ adapterVersion }) => adapterVersion)).toEqual([0, 1, 2]);
    await site.stop(second);
    const third = await site.start();
    expect(third.runId).toBe(first.runId);
    expect((await getRun(third)).rounds).toHaveLength(3);
  });

  it('starts no run anew by itself when the newest of its name ended, but does when it is told to', async () => {
    site = new TestSite();
    const first = await site.start();
    const [a] = await site.joined(first, 1);
    await asAdmin(first, `runs/${first.runId}/stop`, { method: 'POST' });
    await site.stop(first);
    // Another plan under the same name, as after an update of the program
    site.writeConfig({ rounds: { count: 3, cohortSize: 2, minimumUpdates: 1, deadlineSeconds: 60 } });
    const second = await site.start();
    expect(second.runId).toBe(first.runId);
    expect((await getRun(second)).state.status).toBe('stopped');
    expect(await (await fetch(`${second.contributeUrl}api/runs`)).json()).toHaveLength(1);
    expect(site.problems).toEqual([
      expect.stringMatching(`run ${first.runId} .* has ended \\(stopped\\).*--new-run`),
    ]);
    const again = await site.contributor(second);
    again.identity = a!.identity;
    await expect(again.joinOrThrow()).rejects.toThrow('RUN_ENDED');
    await site.stop(second);
    const third = await site.start({}, { newRun: true });
    expect(third.runId).not.toBe(first.runId);
    expect((await getRun(third)).state.status).toBe('recruiting');
    await site.stop(third);
    // It has not ended: it goes on, whatever is asked
    const fourth = await site.start({}, { newRun: true });
    expect(fourth.runId).toBe(third.runId);
  });

  it('starts none anew of one that failed, as an update of the program leaves it', async () => {
    site = new TestSite();
    const first = await site.start();
    await site.stop(first);
    const database = new DatabaseSync(`${site.dataDir}/chorale.sqlite`);
    database.exec(`UPDATE runs SET status = 'failed', engine_state = json_set(engine_state, '$.phase',
      json('{"status":"failed","round":1,"message":"an older release started it"}'))`);
    database.close();
    const second = await site.start();
    expect(second.runId).toBe(first.runId);
    expect(site.problems).toEqual([expect.stringMatching(/has ended \(failed\)/)]);
  });

  it('measures again what it could not finish measuring', async () => {
    site = new TestSite({ rounds: { count: 1, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 60 } });
    const never = { evaluate: () => new Promise<never>(() => {}), dispose: () => {} };
    const first = await site.start({ openEvaluation: () => never });
    const [a] = await site.joined(first, 1);
    await a!.round(1);
    await a!.send(1, U1);
    await until(async () => (await getRun(first)).state.status === 'evaluating', 'evaluating');
    await site.stop(first);
    const second = await site.start();
    const run = await until(async () => {
      const now = await getRun(second);
      return now.state.status === 'completed' && now.rounds.every((one) => one.testAccuracy !== null) && now;
    }, 'the records of rounds 0 and 1');
    expect(run.rounds).toHaveLength(2);
  });

  it('stays paused, keeps its identities, and opens another run beside for another config', async () => {
    site = new TestSite();
    const first = await site.start();
    const [a] = await site.joined(first, 1);
    await asAdmin(first, `runs/${first.runId}/pause`, { method: 'POST' });
    await site.stop(first);
    site.writeConfig({ name: 'Ünother — run!' });
    const second = await site.start();
    expect(second.runId).toMatch(/^u-?nother-run-[0-9a-f]{8}$/);
    expect((await getRun(second)).run.runId).toBe(second.runId);
    const list = (await (await fetch(`${second.contributeUrl}api/runs`)).json()) as unknown[];
    expect(list).toEqual([
      { id: first.runId, name: 'Test run', status: 'paused' },
      { id: second.runId, name: 'Ünother — run!', status: 'recruiting' },
    ]);
    await site.stop(second);
    site.writeConfig({});
    const third = await site.start();
    expect(third.runId).toBe(first.runId);
    const detail = await getDetail(third);
    expect(detail.contributors).toMatchObject([{ contributorId: a!.identity!.contributorId, online: false }]);
  });

  it('does not need the model and test file that the run was created from', async () => {
    site = new TestSite();
    const first = await site.start();
    await site.stop(first);
    // Another model in the same place is another plan: a new run, and the old one goes on with its own copy.
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${site.directory}/model/weights.bin`, Uint8Array.of(9, 9));
    const second = await site.start();
    expect(second.runId).not.toBe(first.runId);
    const old = (await getRun(second, first.runId)).run.plan.model.files.find(
      ({ name }) => name === 'weights.bin',
    )!;
    const response = await fetch(new URL(modelPiecePath(old.pieces[0]!), second.contributeUrl));
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(Uint8Array.of(1, 2, 3));
  });

  it('refuses a run whose plan an earlier version wrote, and says what to do', async () => {
    site = new TestSite();
    const server = await site.start();
    await site.stop(server);
    const database = new DatabaseSync(`${site.dataDir}/chorale.sqlite`);
    const { plan } = database.prepare('SELECT plan FROM runs').get() as { plan: string };
    const older = JSON.parse(plan) as { config: { training: { clipping?: string } } };
    delete older.config.training.clipping;
    database.prepare('UPDATE runs SET plan = ?').run(JSON.stringify(older));
    database.close();
    await expect(site.start()).rejects.toThrow(
      new RegExp(`found run ${server.runId} of another; start with another --data-dir`),
    );
  });

  it('goes on with the others when one run cannot be opened, and begins none of that name anew', async () => {
    site = new TestSite();
    const broken = await site.start();
    await site.stop(broken);
    site.writeConfig({ name: 'Another' });
    const other = await site.start();
    await site.stop(other);
    const database = new DatabaseSync(`${site.dataDir}/chorale.sqlite`);
    database.prepare("UPDATE runs SET engine_state = 'torn' WHERE id = ?").run(broken.runId);
    database.close();
    const again = await site.start();
    expect(again.runId).toBe(other.runId);
    const [a] = await site.joined(again, 1);
    expect(a!.run.runId).toBe(other.runId);
    expect(site.problems).toEqual([expect.stringMatching(`run ${broken.runId} cannot be opened`)]);
    await site.stop(again);
    site.writeConfig({});
    await expect(site.start()).rejects.toThrow(/expected an engine state.*restore a backup/);
  });

  it('serves on when a run that has ended was made by another version, and shows it if it can be read', async () => {
    site = new TestSite();
    const first = await site.start();
    await asAdmin(first, `runs/${first.runId}/stop`, { method: 'POST' });
    await site.stop(first);
    const changePlan = (change: (config: Record<string, Record<string, unknown>>) => void) => {
      const database = new DatabaseSync(`${site.dataDir}/chorale.sqlite`);
      const { plan } = database.prepare('SELECT plan FROM runs WHERE id = ?').get(first.runId) as {
        plan: string;
      };
      const other = JSON.parse(plan) as { config: Record<string, Record<string, unknown>> };
      change(other.config);
      database.prepare('UPDATE runs SET plan = ? WHERE id = ?').run(JSON.stringify(other), first.runId);
      database.close();
    };
    changePlan(({ training }) => void delete training!['clipping']);
    const second = await site.start({}, { newRun: true });
    expect(second.runId).not.toBe(first.runId);
    const old = publicRunSchema.parse(await getRun(second, first.runId));
    expect(old.state.status).toBe('stopped');
    const details = (await (await asAdmin(second, 'runs')).json()) as unknown[];
    expect(runDetailSchema.array().parse(details)).toHaveLength(2);
    await site.stop(second);

    changePlan(({ privacy }) => void Object.assign(privacy!, { unit: 'household' }));
    const third = await site.start();
    expect(third.runId).toBe(second.runId);
    await expect(getRun(third, first.runId)).rejects.toThrow('RUN_UNKNOWN');
    expect(site.problems).toEqual([expect.stringMatching(`run ${first.runId} has ended and cannot be read`)]);
    await asAdmin(third, `runs/${third.runId}/stop`, { method: 'POST' });
    await site.stop(third);

    // The newest cannot be shown, and is no reason to begin it anew
    const database = new DatabaseSync(`${site.dataDir}/chorale.sqlite`);
    database.prepare("UPDATE runs SET plan = json_set(plan, '$.config.privacy.unit', 'household')").run();
    database.close();
    await expect(site.start()).rejects.toThrow(new RegExp(`run ${third.runId} .* cannot show it.*--new-run`));
  });

  it('refuses a data directory that another server has open', async () => {
    site = new TestSite();
    await site.start();
    await expect(site.start()).rejects.toThrow(/no other server on the data directory/);
  });
});
