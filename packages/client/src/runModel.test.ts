import { expect, test } from 'vitest';
import type { RunConfigInput } from '@chorale/protocol';
import type { Compute } from '@chorale/trainer';
import { openCompute } from '@chorale/trainer';
import { openHost } from './testing/openHost.ts';
import type { TrainerHost } from './trainerHost.ts';

const COLUMNS = { text: 'text', textPair: null, label: 'label' };
const ROWS = ['text,label', ...Array.from({ length: 20 }, (_, i) => `a story ${i},${i % 2 ? 'yes' : 'no'}`)];
const quietly = () => undefined;

const openRows = (host: TrainerHost) => host.openTable(new Blob([ROWS.join('\n')]), 'mine.csv');
const choose = (host: TrainerHost, progress: (what: string) => void = quietly) =>
  host.chooseColumns(COLUMNS, progress);

/** Tensors of this realm that are not disposed of. */
const live = ({ ops }: Compute) => ops.liveTensors();

/** What one model takes on the device, placed once, with nobody else asking. */
async function tensorsOfOne(): Promise<number> {
  const { host, opened } = await openHost();
  await host.checkDevice('cpu', quietly);
  await openRows(host);
  const before = live(opened[0]!);
  await choose(host);
  const taken = live(opened[0]!) - before;
  await host.checkDevice('cpu', quietly);
  expect(live(opened[1]!)).toBe(before);
  return taken;
}

test('is loaded and placed once, and its device opened once, for all who ask at the same time', async () => {
  const one = await tensorsOfOne();
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
    expect([...seen].join()).toMatch(/Loading the model: .* of .* kB.*Starting the device/);
});

test('goes with its device when that is opened anew, also while it is being placed', async () => {
  const one = await tensorsOfOne();
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

test('is loaded again by who asks after a failure, and both who waited hear of it', async () => {
  let there = false;
  const { host, pieceReads } = await openHost({ hasPiece: () => there });
  await host.checkDevice('cpu', quietly);
  await openRows(host);
  const failures = await Promise.allSettled([choose(host), choose(host)]);
  for (const failure of failures)
    expect(failure).toMatchObject({ status: 'rejected', reason: { code: 'DISCONNECTED' } });
  there = true;
  pieceReads.length = 0;
  expect(await choose(host)).toMatchObject({ used: 20 });
  expect(pieceReads).toHaveLength(4);
}, 60_000);

test.each([
  ['no plan', (changed) => changed, null],
  ['its basis', (changed) => ({ ...changed, basisHash: 'f'.repeat(64) }), 'PLAN_CHANGED'],
  ['its size', (changed) => ({ ...changed, parameterCount: changed.parameterCount + 1 }), 'PLAN_CHANGED'],
  [
    'the second round',
    (changed) => ({ ...changed, trainedRanges: changed.trainedRanges.slice(0, 1) }),
    'PLAN_CHANGED',
  ],
  [
    'where a range ends',
    (changed) => ({
      ...changed,
      trainedRanges: changed.trainedRanges.map(({ start, end }) => ({ start, end: end - 1 })),
    }),
    'PLAN_CHANGED',
  ],
] satisfies [string, NonNullable<Parameters<typeof openHost>[0]>['changePlan'], string | null][])(
  'is refused before joining when the plan names another adapter: %s',
  async (_, changePlan, code) => {
    const adapter: RunConfigInput['adapter'] = { strategy: 'rolora' };
    const { host } = await openHost({ config: { adapter }, changePlan });
    await host.checkDevice('cpu', quietly);
    await openRows(host);
    if (code === null) expect(await choose(host)).toMatchObject({ used: 20 });
    else await expect(choose(host)).rejects.toMatchObject({ code });
  },
);
