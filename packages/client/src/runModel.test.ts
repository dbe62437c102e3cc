import { expect, test } from 'vitest';
import type { BackendName, RunConfigInput, RunPlan } from '@chorale/protocol';
import type { Compute } from '@chorale/trainer';
import { openCompute } from '@chorale/trainer';
import { openHost } from './testing/openHost.ts';
import { ScriptedServer, publicRun } from './testing/scriptedServer.ts';
import type { TrainerHost } from './trainerHost.ts';

const COLUMNS = { text: 'text', textPair: null, label: 'label' };
const ROWS = ['text,label', ...Array.from({ length: 20 }, (_, i) => `a story ${i},${i % 2 ? 'yes' : 'no'}`)];
const quietly = () => undefined;

const openRows = (host: TrainerHost) => host.openTable(new Blob([ROWS.join('\n')]), 'mine.csv');
const choose = (host: TrainerHost, progress: (what: string) => void = quietly) =>
  host.chooseColumns(COLUMNS, progress);

/** Tensors of this realm that are not disposed of. */
const live = ({ ops }: Compute) => ops.liveTensors();

/** What one model takes on a device, placed once, with nobody else asking. */
async function tensorsOfOne(backend: BackendName | null): Promise<number> {
  const { host, opened } = await openHost();
  await host.checkDevice(backend, quietly);
  await openRows(host);
  const before = live(opened[0]!);
  await choose(host);
  const taken = live(opened[0]!) - before;
  await host.checkDevice(backend, quietly);
  expect(live(opened[1]!)).toBe(before);
  return taken;
}

test('is loaded and placed once, and its device opened once, for all who ask at the same time', async () => {
  const one = await tensorsOfOne(null);
  expect(one).toBeGreaterThan(20);
  const { host, opened, pieceReads } = await openHost();
  const before = live(await openCompute('cpu'));
  await openRows(host);
  const shown: Set<string>[] = [new Set(), new Set(), new Set()];
  const choices = await Promise.allSettled(shown.map((seen) => choose(host, (what) => seen.add(what))));
  expect(choices.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(pieceReads).toHaveLength(4);
  expect(opened).toHaveLength(1);
  expect(live(opened[0]!) - before).toBe(one);
  // Whoever came later sees how far it is too
  for (const seen of shown)
    expect([...seen].join()).toMatch(/Loading the model: .* of 4 MB.*Starting the device/);
});

test('goes with its device when that is opened anew, also while it is being placed', async () => {
  const one = await tensorsOfOne('cpu');
  const { host, opened, pieceReads } = await openHost();
  await host.checkDevice('cpu', quietly);
  const before = live(opened[0]!);
  await openRows(host);
  await choose(host);
  const both = [host.checkDevice('cpu', quietly), choose(host), host.checkDevice('cpu', quietly)];
  await Promise.all(both);
  await choose(host);
  expect(live(opened.at(-1)!) - before).toBe(one);
  expect(pieceReads).toHaveLength(4);
});

test('is loaded again by who asks after a failure, which all who waited hear of', async () => {
  const server = new ScriptedServer(await publicRun()); // It has no model
  await server.start();
  let kept = false;
  const { host, pieceReads } = await openHost({ kept: () => kept, serverUrl: server.url });
  await host.checkDevice('cpu', quietly);
  await openRows(host);
  const failures = await Promise.allSettled([choose(host), choose(host)]);
  for (const failure of failures)
    expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'DISCONNECTED' } });
  kept = true;
  pieceReads.length = 0;
  expect(await choose(host)).toMatchObject({ used: 20 });
  expect(pieceReads).toHaveLength(4);
  await server.stop();
});

const rolora: Partial<RunConfigInput> = { adapter: { strategy: 'rolora' } };

test('is used where both sides derive the same adapter', async () => {
  const { host, run } = await openHost({ config: rolora });
  expect(run.plan.trainedRanges).toHaveLength(2);
  await host.checkDevice('cpu', quietly);
  await openRows(host);
  expect(await choose(host)).toMatchObject({ used: 20 });
});

test.each<[string, (plan: RunPlan) => Partial<RunPlan>]>([
  ['its basis', () => ({ basisHash: 'f'.repeat(64) })],
  ['its size', ({ parameterCount }) => ({ parameterCount: parameterCount + 1 })],
  ['its tensors', ({ tensors }) => ({ tensors: tensors.toReversed() })],
  ["a tensor's name", ({ tensors: [first, ...rest] }) => ({ tensors: [{ ...first!, name: 'x' }, ...rest] })],
  ['no second range', ({ trainedRanges }) => ({ trainedRanges: trainedRanges.slice(0, 1) })],
  [
    'where the ranges end',
    ({ trainedRanges }) => ({
      trainedRanges: trainedRanges.map(({ start, end }) => ({ start, end: end - 1 })),
    }),
  ],
])('is refused before joining when the plan names another adapter: %s', async (_, change) => {
  const { host } = await openHost({ config: rolora, changePlan: (plan) => ({ ...plan, ...change(plan) }) });
  await host.checkDevice('cpu', quietly);
  await openRows(host);
  await expect(choose(host)).rejects.toMatchObject({ code: 'PLAN_CHANGED' });
});
