import type { PrivacyUnit } from '@chorale/privacy';
import type { BackendName, RunStatus } from '@chorale/protocol';
import type { DeviceTrouble } from '@chorale/client';
import { formatCount } from '@chorale/ui';
import { contributeMessages } from './contributeMessages.ts';
import { privacyMessages } from './privacyMessages.ts';

const plural = (count: number, one: string, many: string) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** Everything the contributor page says. */
export const messages = {
  title: (name: string | null) => (name === null ? 'Contribute – Chorale' : `${name} – Chorale`),
  brand: { skip: 'Skip to the content', trust: 'Your rows stay in this tab.' },
  tryAgain: 'Try again',
  startOver: 'Open this page again',
  steps: {
    run: 'What this run is for',
    device: 'Your device',
    data: 'Your data',
    privacy: 'What leaves, what stays',
    contribute: 'Contribute',
    done: 'done',
    locked: {
      device: 'Opens when the run is loaded.',
      data: 'Opens when a way to compute is found on this device.',
      dataRunEnded: 'This run takes no more contributions.',
      privacy: 'Opens when your rows are ready.',
      contribute: 'Opens when you have read the section above and agreed.',
    },
  },

  run: {
    loading: 'Loading the run',
    failedTitle: 'The run could not be loaded',
    noPurpose: 'Whoever runs this gave no purpose. Ask them before you contribute.',
    operator: 'Run by',
    noOperator: 'not named; ask whoever sent you the link',
    learns: 'The model learns to tell apart',
    model: 'Base model',
    protection: 'Protection',
    protectionOf: {
      example: 'each row by itself, by noise that your device adds',
      contributor: 'all you contribute as a whole, by noise that your device adds',
      none: 'none; your rows could be found out',
    } satisfies Record<PrivacyUnit, string>,
    cohort: 'Devices in each round',
    rounds: 'Rounds',
    progress: 'Rounds finished',
    progressDetail: (done: number, all: number) => `${done} of ${all}`,
    available: 'Contributors online now',
    accuracy: 'Accuracy on public test data',
    endedTitle: 'This run is over',
    ended: (reason: string) =>
      `${reason.replace(/[.\s]*$/, '.')} It takes no more contributions. Ask whoever sent you the link for a newer one.`,
    status: {
      recruiting: 'Waiting for contributors',
      training: 'Training',
      aggregating: 'Combining updates',
      evaluating: 'Testing',
      paused: 'Paused',
      completed: 'Completed',
      stopped: 'Stopped',
      failed: 'Failed',
    } satisfies Record<RunStatus, string>,
  },

  device: {
    loading: 'Trying out what this device can compute with',
    failedTitle: 'This device cannot take part',
    failedHelp:
      'A current desktop version of Chrome, Edge, Firefox or Safari usually can. Close heavy tabs, update the browser or open this link on another computer.',
    names: {
      webgpu: 'WebGPU (graphics card, modern)',
      webgl: 'WebGL (graphics card)',
      wasm: 'WebAssembly (processor)',
      cpu: 'JavaScript (processor, slow)',
    } satisfies Record<BackendName, string>,
    shortNames: {
      webgpu: 'WebGPU',
      webgl: 'WebGL',
      wasm: 'WebAssembly',
      cpu: 'JavaScript',
    } satisfies Record<BackendName, string>,
    caption: 'Ways to compute on this device',
    way: 'Way to compute',
    found: 'Found',
    detail: 'Detail',
    available: 'available',
    software: 'in software',
    missing: 'not available',
    chosen: 'chosen',
    chosenTitle: (name: string) => `Your device will train with ${name}.`,
    tested: 'It computed a small training step rightly whose answer is known.',
    forced: 'The address of this page asks for it.',
    troublesTitle: (count: number) =>
      count === 1 ? 'Your device had a problem' : `Your device had ${count} problems`,
    troubles: 'A round in which this happened was given up: nothing of it was sent, and it cost you nothing.',
    trouble: (name: string, { what, then }: DeviceTrouble) =>
      `${name}: ${what.replace(/[.\s]*$/, '.')} ${THEN[then]}`,
    unknownTitle: (name: string) => `The address of this page asks for “${name}”, which there is not`,
    unknown: (names: readonly string[]) =>
      `After “?backend=” it can be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}. This page has chosen by itself.`,
  },

  data: {
    stays: 'These rows stay in this tab.',
    intro:
      'A table with one text and one label in each row: CSV, TSV or JSONL with a header. It is read here in the browser and not uploaded.',
    introPair:
      'A table with two texts that belong together and one label in each row, a question and a sentence, for example: CSV, TSV or JSONL with a header. It is read here in the browser and not uploaded.',
    file: 'Choose a file',
    fileHint: 'Or drop it here. CSV, TSV or JSONL.',
    paste: 'Or paste rows',
    pasteHint: 'With a header line, columns separated by commas or tabs. They are read as you type.',
    pastePlaceholder: 'text,label',
    pastePlaceholderPair: 'text_a,text_b,label',
    reading: 'Reading your rows',
    failedTitle: 'These rows cannot be used',
    tableTitle: (name: string, rows: number, format: string) =>
      `${name}: ${plural(rows, 'row', 'rows')}, read as ${format.toUpperCase()}`,
    textColumn: 'Text column',
    firstTextColumn: 'First text column',
    secondTextColumn: 'Second text column',
    labelColumn: 'Label column',
    choose: 'Choose a column',
    chooseError: 'Choose a column.',
    sameError: 'Text and label must be two different columns.',
    sameErrorPair: 'The two texts and the label must be three different columns.',
    usedColumns: (text: string, label: string) =>
      `Of each row the text “${text}” and the label “${label}” are used.`,
    usedColumnsPair: (text: string, second: string, label: string) =>
      `Of each row the texts “${text}” and “${second}”, in this order, and the label “${label}” are used.`,
    previewCaption: (count: number) => `The first ${plural(count, 'row', 'rows')}`,
    line: 'Row',
    use: 'Use these rows',
    notApplied: 'Press “Use these rows” to apply your new choice of columns.',
    remove: 'Remove these rows',
    report: (used: number, all: number) =>
      `${plural(used, 'row', 'rows')} of ${formatCount(all)} will be used`,
    onlyHere: 'These counts are shown to you only; they are never sent.',
    labelCounts: 'Rows used of each label',
    label: 'Label',
    rows: 'Rows',
    cut: (count: number, maxTokens: number) =>
      `${plural(count, 'text is', 'texts are')} longer than ${maxTokens} tokens and will be cut.`,
    cutPair: (count: number, maxTokens: number) =>
      `${plural(count, 'pair is', 'pairs are')} longer than ${maxTokens} tokens, both texts together, and will be cut: the longer text of a pair first.`,
    skippedTitle: (count: number) => `${plural(count, 'row is', 'rows are')} skipped`,
    reason: 'Reason',
    whichRows: 'Which rows',
    rowsOf: (firstRows: readonly number[], count: number) =>
      firstRows.join(', ') +
      (count > firstRows.length ? ` and ${formatCount(count - firstRows.length)} more` : ''),
    noneUsed: 'No row can be used. Check that the label column holds these words:',
    inUse: 'In use. To use other rows, stop first and open this page again.',
  },

  privacy: privacyMessages,

  contribute: contributeMessages,
} as const;

const THEN: Record<DeviceTrouble['then'], string> = {
  'opened-again': 'It was started again.',
  'smaller-steps': 'It was started again, to compute fewer rows at a time.',
  'next-backend': 'Another way to compute took its place.',
};
