import { openAsBlob } from 'node:fs';
import { basename, resolve } from 'node:path';
import type { ContributorController, ContributorState, Limits } from '@chorale/client/node';
import { createNodeContributor, defaultLedgerPath, defaultModelCachePath } from '@chorale/client/node';
import { ChoraleError } from '@chorale/protocol';
import { nodeBackend, parseOptions, positiveNumber, wholeNumber } from './options.ts';

export const CONTRIBUTE_USAGE = `chorale contribute --server URL --data FILE [--text COLUMN --label COLUMN [--text-pair COLUMN]]
                   [--run ID] [--invite CODE] [--backend wasm|cpu] [--ledger FILE] [--model-cache DIR] [--json]
                   [--epsilon-limit E] [--least-noise-multiplier S] [--most-rounds N]

Takes part in a run from this process, with the same code as a tab, until the run ends or a limit of yours is reached.
WebGPU is for tabs.

  --invite CODE               lets you into a run by invitation; needed for the first time only
  --ledger FILE               where is kept what was spent and who you are to each server; one file a person, since a
                              second process with the same file is refused while the first one takes part in the run
                              (default ${defaultLedgerPath()})
                              "memory": nothing is kept, and started again on the same rows it counts from zero
  --model-cache DIR           where models are kept, so that each is loaded once; processes may share it
                              (default ${defaultModelCachePath()}); "none": loaded every time
  --epsilon-limit E           most epsilon to spend in the run        (default: what the whole plan costs)
  --least-noise-multiplier S  refuse a plan with less noise           (default: the plan's own)
  --most-rounds N             most rounds to take part in             (default: all rounds of the plan)

Limits are kept in the ledger: a later start without the option goes on under them. Exit code 0: the run is completed,
or a limit was reached; 1: anything else.
`;

export async function contribute(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    server: { type: 'string' },
    data: { type: 'string' },
    text: { type: 'string' },
    label: { type: 'string' },
    'text-pair': { type: 'string' },
    run: { type: 'string' },
    invite: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    ledger: { type: 'string', default: defaultLedgerPath() },
    'model-cache': { type: 'string', default: defaultModelCachePath() },
    'epsilon-limit': { type: 'string' },
    'least-noise-multiplier': { type: 'string' },
    'most-rounds': { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  if (!values.server || !values.data) {
    throw new ChoraleError('CONFIG_INVALID', `expected --server and --data\n\n${CONTRIBUTE_USAGE}`);
  }
  const state = await contributeUntilEnd({
    serverUrl: values.server,
    dataPath: values.data,
    runId: values.run ?? null,
    invite: values.invite ?? null,
    backend: nodeBackend(values.backend),
    columns: {
      text: values.text ?? null,
      textPair: values['text-pair'] ?? null,
      label: values.label ?? null,
    },
    ledgerPath: values.ledger === 'memory' ? null : resolve(values.ledger),
    modelCachePath: values['model-cache'] === 'none' ? null : resolve(values['model-cache']),
    limits: ownLimits(values),
    onChange: values.json ? () => undefined : printChange(),
  });
  const { participation, contributions, spentEpsilon, accountingNote } = state;
  const privacyUnit = ready(state.run).run.plan.config.privacy.unit;
  if (values.json) {
    const accepted = contributions.filter(({ outcome }) => outcome === 'accepted').length;
    process.stdout.write(
      `${JSON.stringify({ ended: participation, acceptedRounds: accepted, privacyUnit, spentEpsilon, accountingNote })}\n`,
    );
  }
  if (participation.status === 'reading') return 0;
  return participation.status === 'stopped' && participation.because === 'run-completed' ? 0 : 1;
}

export type NodeContribution = {
  serverUrl: string;
  dataPath: string;
  runId: string | null;
  /** null: the run is open, or this ledger has joined it before. */
  invite: string | null;
  backend: 'wasm' | 'cpu';
  /** null: guessed from names and contents; `textPair` matters to runs on pairs of texts only. */
  columns: { text: string | null; textPair: string | null; label: string | null };
  /** null: nothing is kept. */
  ledgerPath: string | null;
  /** null: models are loaded every time. */
  modelCachePath: string | null;
  limits: Partial<Limits>;
  onChange: (state: ContributorState) => void;
};

/**
 * One Node contributor, from the run's facts to the run's end, or until a limit of its own is reached: a process has
 * nobody who would read on.
 * @throws {ChoraleError} what a page would show: the run, the device or the data cannot be used
 */
export async function contributeUntilEnd(options: NodeContribution): Promise<ContributorState> {
  const { serverUrl, runId, invite, backend, ledgerPath, modelCachePath, limits, dataPath, onChange } =
    options;
  const contributor = createNodeContributor({
    serverUrl,
    runId,
    invite,
    forcedBackend: backend,
    ledgerPath,
    modelCachePath,
    limits,
  });
  contributor.subscribe(() => onChange(contributor.getState()));
  await contributor.loadRun();
  if (ready(contributor.getState().run).run.plan.config.privacy.unit === 'none') {
    process.stderr.write(
      'WARNING: this run has NO privacy protection: what is sent is neither clipped nor noised.\n',
    );
  }
  await contributor.checkDevice();
  ready(contributor.getState().device);
  await contributor.readFile(await openFile(dataPath));
  const table = ready(contributor.getState().rows.table);
  const text = options.columns.text ?? table.suggestedText;
  const label = options.columns.label ?? table.suggestedLabel;
  const { textPair: pairs } = ready(contributor.getState().run).run.plan.config.task;
  // Named for a run on single texts it is refused, as on a page
  const textPair = options.columns.textPair ?? (pairs ? table.suggestedTextPair : null);
  if (text === null || label === null || (pairs && textPair === null)) {
    const needed = pairs ? '--text, --text-pair and --label' : '--text and --label';
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `Name the columns with ${needed}: ${table.columns.join(', ')}`,
    );
  }
  await contributor.chooseColumns({ text, textPair, label });
  for (const { count, reason } of ready(contributor.getState().rows.report).skipped)
    process.stderr.write(`${count} ${count === 1 ? 'row is' : 'rows are'} not used: ${reason}\n`);
  const ended = untilOver(contributor);
  await contributor.join();
  const problem = contributor.getState().limits?.problem;
  if (problem) throw new ChoraleError(problem.code, problem.message);
  const state = await ended;
  if (state.participation.status === 'reading') await contributor.stop();
  return state;
}

async function openFile(path: string): Promise<File> {
  try {
    return new File([await openAsBlob(path)], basename(path));
  } catch (cause) {
    throw new ChoraleError(
      'DATA_UNREADABLE',
      `${path} cannot be opened. Name an existing file with --data.`,
      { cause },
    );
  }
}

function ready<T>(loadable: {
  status: string;
  value?: T;
  error?: { code: ChoraleError['code']; message: string };
}): T {
  if (loadable.error) throw new ChoraleError(loadable.error.code, loadable.error.message);
  return loadable.value!;
}

function untilOver(contributor: ContributorController): Promise<ContributorState> {
  return new Promise((settle) => {
    contributor.subscribe(() => {
      const state = contributor.getState();
      if (state.participation.status === 'stopped' || state.participation.status === 'reading') settle(state);
    });
  });
}

type LimitOption = 'epsilon-limit' | 'least-noise-multiplier' | 'most-rounds';

/** The limits that were named; no more, since those of the ledger go on holding. */
function ownLimits(values: Partial<Record<LimitOption, string>>): Partial<Limits> {
  const epsilon = values['epsilon-limit'];
  const noise = values['least-noise-multiplier'];
  const rounds = values['most-rounds'];
  return {
    ...(epsilon === undefined ? {} : { epsilonLimit: positiveNumber('epsilon-limit', epsilon) }),
    ...(noise === undefined ? {} : { leastNoiseMultiplier: positiveNumber('least-noise-multiplier', noise) }),
    ...(rounds === undefined ? {} : { mostRounds: wholeNumber('most-rounds', rounds, 1) }),
  };
}

function printChange(): (state: ContributorState) => void {
  let last = '';
  let lastNote: string | null = null;
  return ({ participation, spentEpsilon, accountingNote }) => {
    if (accountingNote !== null && accountingNote !== lastNote)
      process.stdout.write(`epsilon is that of ${accountingNote}\n`);
    lastNote = accountingNote;
    const line = describe(participation);
    if (line === last) return;
    last = line;
    process.stdout.write(`${line}${spentEpsilon === null ? '' : ` (epsilon spent ${spentEpsilon})`}\n`);
  };
}

function describe(participation: ContributorState['participation']): string {
  switch (participation.status) {
    case 'not-joined':
      return 'checking device and data';
    case 'preparing':
      return participation.what;
    case 'waiting':
    case 'paused':
    case 'recovering':
      return `${participation.status}: ${participation.reason}`;
    case 'disconnected':
      return `disconnected: ${participation.error.message}; trying again by itself`;
    case 'training':
      return `training round ${participation.round}`;
    case 'sending':
      return `sending ${participation.payloadBytes} bytes for round ${participation.round}`;
    case 'reading':
      return `limit reached: ${participation.message}`;
    case 'stopped':
      return `ended: ${participation.message}`;
    default:
      return participation satisfies never;
  }
}
