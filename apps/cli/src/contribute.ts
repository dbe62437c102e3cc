import { openAsBlob } from 'node:fs';
import { basename } from 'node:path';
import type { ContributorController, ContributorState } from '@chorale/client/node';
import { createNodeContributor } from '@chorale/client/node';
import { ChoraleError } from '@chorale/protocol';
import { backendName, parseOptions } from './options.ts';

export const CONTRIBUTE_USAGE = `chorale contribute --server URL --data FILE [--text COLUMN --label COLUMN]
                   [--run ID] [--backend wasm|cpu] [--epsilon-limit E] [--json]

Takes part in a run from this process, with the same code as a tab, until the run ends. WebGPU is for tabs.
Its privacy ledger lasts as long as the process: started again on the same rows, it counts from zero.
`;

export async function contribute(args: string[]): Promise<number> {
  const values = parseOptions(args, {
    server: { type: 'string' },
    data: { type: 'string' },
    text: { type: 'string' },
    label: { type: 'string' },
    run: { type: 'string' },
    backend: { type: 'string', default: 'wasm' },
    'epsilon-limit': { type: 'string' },
    json: { type: 'boolean', default: false },
  });
  if (!values.server || !values.data) {
    throw new ChoraleError('CONFIG_INVALID', `expected --server and --data\n\n${CONTRIBUTE_USAGE}`);
  }
  const state = await contributeUntilEnd({
    serverUrl: values.server,
    dataPath: values.data,
    runId: values.run ?? null,
    backend: nodeBackend(values.backend),
    columns: { text: values.text ?? null, label: values.label ?? null },
    epsilonLimit: values['epsilon-limit'] === undefined ? null : positive(values['epsilon-limit']),
    onChange: values.json ? () => undefined : printChange(),
  });
  const { participation, contributions, spentEpsilon } = state;
  if (values.json) {
    const accepted = contributions.filter(({ outcome }) => outcome === 'accepted').length;
    process.stdout.write(
      `${JSON.stringify({ ended: participation, acceptedRounds: accepted, spentEpsilon })}\n`,
    );
  }
  return participation.status === 'stopped' && participation.because === 'run-completed' ? 0 : 1;
}

export type NodeContribution = {
  serverUrl: string;
  dataPath: string;
  runId: string | null;
  backend: 'wasm' | 'cpu';
  /** null: guessed from names and contents. */
  columns: { text: string | null; label: string | null };
  epsilonLimit: number | null;
  onChange: (state: ContributorState) => void;
};

/**
 * One Node contributor, from the run's facts to the run's end.
 * @throws {ChoraleError} what a page would show: the run, the device or the data cannot be used
 */
export async function contributeUntilEnd(options: NodeContribution): Promise<ContributorState> {
  const { serverUrl, runId, backend, epsilonLimit, dataPath, onChange } = options;
  const contributor = createNodeContributor({
    serverUrl,
    runId,
    forcedBackend: backend,
    ...(epsilonLimit === null ? {} : { epsilonLimit }),
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
  if (text === null || label === null) {
    throw new ChoraleError(
      'DATA_NO_SUCH_COLUMN',
      `Name the columns with --text and --label: ${table.columns.join(', ')}`,
    );
  }
  await contributor.chooseColumns({ text, label });
  ready(contributor.getState().rows.report);
  const ended = untilStopped(contributor);
  await contributor.join();
  return await ended;
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

function untilStopped(contributor: ContributorController): Promise<ContributorState> {
  return new Promise((resolve) => {
    contributor.subscribe(() => {
      const state = contributor.getState();
      if (state.participation.status === 'stopped') resolve(state);
    });
  });
}

function printChange(): (state: ContributorState) => void {
  let last = '';
  return ({ participation, spentEpsilon }) => {
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
    case 'disconnected':
      return `${participation.status}: ${participation.reason}`;
    case 'training':
      return `training round ${participation.round}`;
    case 'sending':
      return `sending ${participation.payloadBytes} bytes for round ${participation.round}`;
    case 'stopped':
      return `ended: ${participation.message}`;
    default:
      return participation satisfies never;
  }
}

function nodeBackend(value: string): 'wasm' | 'cpu' {
  const backend = backendName(value);
  if (backend === 'wasm' || backend === 'cpu') return backend;
  throw new ChoraleError(
    'CONFIG_INVALID',
    `--backend ${backend} needs a browser; this process can use wasm or cpu`,
  );
}

function positive(value: string): number {
  const number = Number(value);
  if (number > 0) return number;
  throw new ChoraleError('CONFIG_INVALID', `--epsilon-limit: expected a number over 0, got ${value}`);
}
