import { updateBytes } from '@chorale/protocol';
import type { RunState } from '@chorale/protocol';
import type {
  ChosenColumns,
  ContributorController,
  ContributorState,
  Limits,
  Participation,
  RowsReport,
  TablePreview,
} from '@chorale/client';
import { limitsOfPlan } from '../limits.ts';
import { fakeEpsilonAfter, fakeKeptLimits, fakeLimitsView } from './fakeLimits.ts';
import { FAKE_VARIANTS, fakePlannedEpsilon, fakeRecord, fakeRun } from './fakeRun.ts';

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/**
 * A controller that plays a whole run without a server, for `vite dev` only (`?fake=1&variant=…`).
 * Every state a page can meet comes up in it; nothing is computed or sent.
 */
export function createFakeController(wanted: string | null): ContributorController {
  const variant = FAKE_VARIANTS.find((name) => name === wanted) ?? 'private';
  const run = fakeRun(variant);
  const planned = fakePlannedEpsilon(variant);
  const limitsView = (limits: Limits) => fakeLimitsView(limits, run.run.plan, planned);
  const payloadBytes = updateBytes(run.run.plan, 1);
  let lines: string[][] = [];
  let generation = 0;
  let state: ContributorState = {
    run: { status: 'none' },
    runState: null,
    rounds: [],
    device: { status: 'none' },
    rows: emptyRows(),
    participation: { status: 'not-joined' },
    contributions: [],
    spentEpsilon: null,
    ledgerProblem: null,
    plannedEpsilon: null,
    accountingNote: null,
    otherRunsEpsilon: null,
    limits: null,
    conditions: {
      choices: { battery: true, metered: true, hidden: false },
      reading: { battery: { level: 0.64, charging: false }, metered: null, hidden: false },
    },
  };
  const listeners = new Set<() => void>();
  const set = (change: Partial<ContributorState>) => {
    state = { ...state, ...change };
    for (const listener of listeners) listener();
  };
  const participate = (participation: Participation) => set({ participation });
  const runStateNow = (change: Partial<RunState>) =>
    set({ runState: { ...run.state, ...state.runState, ...change } });

  const readTable = async (name: string, text: string) => {
    set({ rows: { ...emptyRows(), table: { status: 'loading', fraction: null, what: name } } });
    await pause(300);
    lines = parse(text);
    const [header = [], ...body] = lines;
    if (body.length === 0) {
      const error = {
        code: 'DATA_EMPTY',
        message: `Expected a header and rows in ${name}, found no row.`,
      } as const;
      set({ rows: { ...emptyRows(), table: { status: 'failed', error } } });
      return;
    }
    const table: TablePreview = {
      name,
      format: text.includes('\t') ? 'tsv' : 'csv',
      columns: header,
      rowCount: body.length,
      firstRows: body.slice(0, 5).map((row) => header.map((_, index) => row[index] ?? '')),
      suggestedText: header.find((column) => /text|sentence|review/i.test(column)) ?? null,
      suggestedTextPair: header.filter((column) => /text|sentence|review/i.test(column))[1] ?? null,
      suggestedLabel: header.find((column) => /label|sentiment/i.test(column)) ?? null,
    };
    set({ rows: { ...emptyRows(), table: { status: 'ready', value: table } } });
  };

  const chargedUntil = (round: number) => round - 2 + (variant === 'limited' ? 1 : 0);
  /** As after the browser lost its ledger: round 2 comes back from the server's copy. */
  const restore = () => {
    if (variant !== 'limited' || state.contributions.length > 0) return;
    const spentEpsilon = fakeEpsilonAfter(planned, 1, run.state.roundCount);
    set({
      contributions: [{ round: 2, outcome: 'restored', spentEpsilon, payloadBytes: 0 }],
      spentEpsilon,
    });
  };

  const watch = async (round: number, mine: number) => {
    if (state.participation.status !== 'reading') {
      const limits = state.limits?.limits;
      const byEpsilon = planned !== null && (limits?.epsilonLimit ?? planned) < planned;
      participate(
        byEpsilon
          ? {
              status: 'reading',
              because: 'epsilon-limit',
              message: `The next round would cost an epsilon of ${fakeEpsilonAfter(planned, chargedUntil(round), run.state.roundCount)} in all; your limit is ${limits?.epsilonLimit}.`,
            }
          : {
              status: 'reading',
              because: 'most-rounds',
              message: `You took part in ${limits?.mostRounds} rounds, as many as you allow.`,
            },
      );
    }
    await pause(1500);
    if (mine !== generation) return;
    set({ rounds: [...state.rounds, fakeRecord(round, planned)] });
    runStateNow({ adapterVersion: round });
  };

  const playRounds = async (mine: number) => {
    const roundsAllowed = state.limits?.roundsAllowed ?? run.state.roundCount;
    restore();
    for (let fraction = 0; fraction <= 1; fraction += 0.25) {
      participate({ status: 'preparing', what: 'Downloading the model', fraction });
      await pause(150);
      if (mine !== generation) return;
    }
    for (let round = 3; round <= run.state.roundCount; round++) {
      runStateNow({ status: 'recruiting', round, cohort: 0, received: 0, available: 2 });
      if (chargedUntil(round) > roundsAllowed) {
        await watch(round, mine);
        if (mine !== generation) return;
        continue;
      }
      participate({ status: 'waiting', reason: 'For contributors: 2 of 3 are here.' });
      await pause(900);
      if (mine !== generation) return;
      runStateNow({ status: 'training', reason: 'The cohort is training.', cohort: 3, available: 3 });
      const contribution = { round, outcome: 'computing', spentEpsilon: null, payloadBytes } as const;
      set({ contributions: [...state.contributions, contribution] });
      for (let step = 1; step <= 10; step++) {
        participate({ status: 'training', round, step, localSteps: 10 });
        await pause(120);
        if (mine !== generation) return;
      }
      const spentEpsilon = fakeEpsilonAfter(planned, chargedUntil(round), run.state.roundCount);
      const settle = (outcome: 'sending' | 'accepted' | 'late') =>
        set({
          contributions: [...state.contributions.slice(0, -1), { ...contribution, outcome, spentEpsilon }],
          spentEpsilon,
        });
      settle('sending');
      participate({ status: 'sending', round, payloadBytes, trouble: null });
      await pause(500);
      if (mine !== generation) return;
      settle(round === 5 ? 'late' : 'accepted');
      set({ rounds: [...state.rounds, fakeRecord(round, planned)] });
      runStateNow({ adapterVersion: round });
      if (round === 4) {
        const error = { code: 'DISCONNECTED', message: 'the server cannot be reached' } as const;
        participate({ status: 'disconnected', error, nextTryAtMs: Date.now() + 2000 });
        await pause(2000);
        if (mine !== generation) return;
      }
    }
    runStateNow({ status: 'completed', reason: 'All 12 rounds are done.' });
    participate({ status: 'stopped', because: 'run-completed', message: 'All 12 rounds are done.' });
  };

  return {
    getState: () => state,
    subscribe: (onChange) => {
      listeners.add(onChange);
      return () => listeners.delete(onChange);
    },
    loadRun: async () => {
      set({ run: { status: 'loading', fraction: null, what: 'run' } });
      await pause(200);
      if (variant === 'missing') {
        const message = 'No run has the id “old-link”. Ask whoever sent you the link for a new one.';
        set({ run: { status: 'failed', error: { code: 'RUN_UNKNOWN', message } } });
        return;
      }
      set({
        run: { status: 'ready', value: run },
        runState: run.state,
        rounds: run.rounds,
        plannedEpsilon: planned,
        spentEpsilon: planned === null ? null : 0,
        otherRunsEpsilon: variant === 'limited' ? 2.417 : null,
        limits: limitsView(fakeKeptLimits(variant, limitsOfPlan(run.run.plan, planned))),
      });
    },
    checkDevice: async () => {
      set({ device: { status: 'loading', fraction: null, what: 'device' } });
      await pause(400);
      if (variant === 'unsupported') {
        const message = 'This browser offers neither WebGPU, WebGL nor WebAssembly with SIMD.';
        set({ device: { status: 'failed', error: { code: 'DEVICE_UNSUPPORTED', message } } });
        return;
      }
      set({
        device: {
          status: 'ready',
          value: {
            candidates: [
              {
                backend: 'webgpu',
                available: true,
                software: true,
                detail: 'SwiftShader: a renderer in software',
              },
              {
                backend: 'webgl',
                available: false,
                software: false,
                detail: 'WebGL 2 is turned off in this browser',
              },
              { backend: 'wasm', available: true, software: false, detail: 'SIMD, 2 threads' },
              { backend: 'cpu', available: true, software: false, detail: 'always there, slow' },
            ],
            backend: 'wasm',
            reason: 'The graphics card is emulated in software here, and WebAssembly is faster than that.',
            forced: false,
            troubles: [],
          },
        },
      });
    },
    readFile: async (file) => readTable(file.name, await file.text()),
    readText: async (text) => readTable('Pasted rows', text),
    chooseColumns: async (columns) => {
      set({ rows: { ...state.rows, columns, report: { status: 'loading', fraction: 0.4, what: 'rows' } } });
      await pause(300);
      const value = check(lines, columns, run.run.plan.config.task.labels);
      set({ rows: { ...state.rows, columns, report: { status: 'ready', value } } });
    },
    clearRows: () => set({ rows: emptyRows() }),
    setLimits: (limits) => {
      set({ limits: { limits, problem: null, roundsAllowed: null } });
      void pause(120).then(() => {
        if (state.limits?.limits === limits) set({ limits: limitsView(limits) });
      });
    },
    join: async () => {
      // As the real one: first what the limits come to, then nothing if they refuse the plan.
      while (state.limits?.problem === null && state.limits.roundsAllowed === null) await pause(20);
      if (state.limits?.problem === null) void playRounds(++generation);
    },
    pause: () => {
      generation += 1;
      participate({
        status: 'paused',
        by: 'you',
        reason: 'By you. You stay connected and are not chosen for a cohort.',
      });
    },
    resume: () => void playRounds(++generation),
    setConditions: (choices) => set({ conditions: { ...state.conditions!, choices } }),
    goOn: () => void playRounds(++generation),
    stop: async () => {
      generation += 1;
      await pause(300);
      participate({ status: 'stopped', because: 'withdrawn', message: 'You left the run.' });
    },
    startAnew: () => Promise.resolve(true),
  };
}

function emptyRows(): ContributorState['rows'] {
  return { table: { status: 'none' }, columns: null, report: { status: 'none' } };
}

function parse(text: string): string[][] {
  const separator = text.includes('\t') ? '\t' : ',';
  return text
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(separator).map((cell) => cell.trim()));
}

function check(lines: string[][], columns: ChosenColumns, labels: readonly string[]): RowsReport {
  const [header = [], ...body] = lines;
  const textsAt = [columns.text, columns.textPair].flatMap((column) =>
    column === null ? [] : [header.indexOf(column)],
  );
  const labelAt = header.indexOf(columns.label);
  const counts = new Map(labels.map((label) => [label, 0]));
  const unknown: number[] = [];
  const empty: number[] = [];
  body.forEach((row, index) => {
    const label = row[labelAt] ?? '';
    if (textsAt.some((at) => (row[at] ?? '') === '')) empty.push(index + 1);
    else if (!counts.has(label)) unknown.push(index + 1);
    else counts.set(label, (counts.get(label) ?? 0) + 1);
  });
  const skipped = [
    { reason: 'the label is none of this run', count: unknown.length, firstRows: unknown.slice(0, 5) },
    { reason: 'the text is empty', count: empty.length, firstRows: empty.slice(0, 5) },
  ].filter((entry) => entry.count > 0);
  const labelCounts = [...counts].map(([label, count]) => ({ label, count }));
  return { used: labelCounts.reduce((sum, entry) => sum + entry.count, 0), skipped, labelCounts, cut: 2 };
}
