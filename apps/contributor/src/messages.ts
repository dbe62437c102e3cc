import type { BackendName, RunStatus } from '@chorale/protocol';
import type { Contribution, Participation, StopReason } from '@chorale/client';
import { formatBytes, formatCount, formatEpsilon, formatNumber } from '@chorale/ui';
import { timesInHundred } from './odds.ts';

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
    forced: 'The address of this page asks for it.',
    unknownTitle: (name: string) => `The address of this page asks for “${name}”, which there is not`,
    unknown: (names: readonly string[]) =>
      `After “?backend=” it can be ${names.slice(0, -1).join(', ')} or ${names.at(-1)}. This page has chosen by itself.`,
  },

  data: {
    stays: 'These rows stay in this tab.',
    intro:
      'A table with one text and one label in each row: CSV, TSV or JSONL with a header. It is read here in the browser and not uploaded.',
    file: 'Choose a file',
    fileHint: 'Or drop it here. CSV, TSV or JSONL.',
    paste: 'Or paste rows',
    pasteHint: 'With a header line, columns separated by commas or tabs. They are read as you type.',
    pastePlaceholder: 'text,label',
    reading: 'Reading your rows',
    failedTitle: 'These rows cannot be used',
    tableTitle: (name: string, rows: number, format: string) =>
      `${name}: ${plural(rows, 'row', 'rows')}, read as ${format.toUpperCase()}`,
    textColumn: 'Text column',
    labelColumn: 'Label column',
    choose: 'Choose a column',
    chooseError: 'Choose a column.',
    sameError: 'Text and label must be two different columns.',
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
    skippedTitle: (count: number) => `${plural(count, 'row is', 'rows are')} skipped`,
    reason: 'Reason',
    whichRows: 'Which rows',
    rowsOf: (firstRows: readonly number[], count: number) =>
      firstRows.join(', ') +
      (count > firstRows.length ? ` and ${formatCount(count - firstRows.length)} more` : ''),
    noneUsed: 'No row can be used. Check that the label column holds these words:',
    inUse: 'In use. To use other rows, stop first and open this page again.',
  },

  privacy: {
    stays: 'Stays on this device',
    leaves: 'Leaves this device',
    staysList: [
      'Your rows: every text and every label.',
      'How many rows you have, and how many of each label (how long a round takes hints at the first).',
      'Which rows are picked in which step, and how well the model does on them.',
    ],
    staysPrivate: 'Every change to the model before it is limited and mixed with noise.',
    leavesNumbers: (values: number, bytesPerRound: number, rounds: number) =>
      `${formatCount(values)} numbers a round (${formatBytes(bytesPerRound)}) that say how the shared model should change. At most ${plural(rounds, 'round', 'rounds')}, ${formatBytes(bytesPerRound * rounds)} in all.`,
    leavesList: (backend: string) => [
      `That your device computes with ${backend}, and whether you are connected or paused.`,
      'A random contributor number, so that you are the same contributor when you reconnect.',
      'Your network address, as with any web page.',
    ],
    protectedTitle: 'How these numbers are protected',
    protectedText: (steps: number, clippingNorm: number, noiseMultiplier: number, values: number) =>
      `In each of the ${plural(steps, 'step', 'steps')} of a round, the influence of any one row is limited to a length of ${formatNumber(clippingNorm)}. Then your device adds random noise to each of the ${formatCount(values)} numbers. The noise is ${formatNumber(noiseMultiplier)} times as strong as that limit (standard deviation ${formatNumber(noiseMultiplier * clippingNorm)}), so that what one row did is mixed with chance. How well that protects is said next.`,
    oddsTitle: 'How well one row is protected',
    odds: (epsilon: number, delta: number) => {
      const times = timesInHundred(epsilon, delta);
      const right =
        times >= 100 ? 'can be right practically every time' : `is right at most ${times} times in 100`;
      return `Someone who sees everything you send over the whole run, and guesses whether one particular row was in your file, ${right}; blind guessing is right 50 times.`;
    },
    weakTitle: 'This is weak protection.',
    weakText:
      'A careful observer could find out about single rows with little doubt. Leave out rows that must not become known.',
    unitText:
      'The unit of protection is one row. Several rows about the same person or the same event are protected less well together than one row alone.',
    numbers: 'The exact numbers',
    epsilon: 'Total epsilon you agree to',
    delta: 'Delta',
    noise: 'Noise multiplier',
    clipping: 'Clipping norm',
    sampling: 'Chance of a row to be picked in a step',
    steps: 'Steps a round',
    noneTitle: 'This run protects nothing. Your rows could be found out from what leaves.',
    noneText:
      'It has no privacy mechanism: no noise is added to what leaves this device, and parts of your texts could be reconstructed from it. Contribute only rows that you would be willing to publish.',
    noneLeaves: 'No noise is mixed in before sending.',
    stopNote:
      'You can stop at any time. Updates that were already averaged stay in the shared model; their protection does not weaken afterwards.',
    stopNoteUnprotected:
      'You can stop at any time. Updates that were already averaged stay in the shared model and cannot be taken out.',
    trustTitle: 'Whom you trust',
    trust:
      'The server of this run delivers the program of this page, so it is what you trust: a server that sends another program could do other things with your rows. If you do not trust whoever runs it, do not contribute.',
    planHash: 'Fingerprint of the plan you agree to',
    planHashHint: 'Your device puts it into everything it sends, and stops if the run is no longer this one.',
    copy: { copy: 'Copy', copied: 'Copied.', byHand: 'Selected: press Ctrl+C or ⌘C to copy.' },
    consent: 'I have read what leaves my device',
    consentMissing: 'Please read this section and tick the box first.',
    agree: 'I agree, start contributing',
    decline: 'I do not agree',
    agreed: (time: string) => `You agreed at ${time}. To take it back, stop below.`,
    closingTitle: 'You are not contributing',
    closing:
      'Nothing left this device, and nothing was kept of your rows. You can close this tab. Thank you for taking the time to read.',
    goBack: 'Go back to the page',
  },

  contribute: {
    state: (participation: Participation): { title: string; reason: string } => {
      switch (participation.status) {
        case 'not-joined':
          return { title: 'Not started', reason: '' };
        case 'preparing':
          return { title: 'Getting ready', reason: participation.what };
        case 'waiting':
          return { title: 'Waiting', reason: participation.reason };
        case 'training':
          return { title: 'Training on your rows', reason: `Round ${participation.round}` };
        case 'sending':
          return {
            title: 'Sending your update',
            reason: `Round ${participation.round}: ${formatBytes(participation.payloadBytes)}, limited and mixed as agreed`,
          };
        case 'paused':
          return { title: 'Paused', reason: participation.reason };
        case 'disconnected':
          return { title: 'Disconnected', reason: participation.reason };
        case 'stopped':
          return { title: END_TITLES[participation.because], reason: participation.message };
      }
    },
    reconnects: 'This page connects again by itself.',
    keepOpen: 'Keep this tab open. It may be in the background.',
    round: 'Round',
    roundOf: (round: number, all: number) => `${round} of ${all}`,
    contributed: 'Your accepted updates',
    sent: 'Sent by you',
    stepLabel: 'Step of this round',
    stepDetail: (step: number, all: number) => `${step} of ${all}`,
    preparing: 'Progress',
    spent: 'Epsilon spent',
    spentOf: (spent: number, agreed: number) => `${formatEpsilon(spent)} of ${formatEpsilon(agreed)} agreed`,
    unprotected: 'This run adds no noise, so nothing limits what your updates say about your rows.',
    pause: 'Pause',
    resume: 'Resume',
    stop: 'Stop',
    stopQuestion:
      'Stop contributing to this run for good? Updates that were already averaged stay in the shared model; nothing more will leave this device.',
    stopForGood: 'Stop for good',
    keepGoing: 'Keep contributing',
    yours: 'Your rounds',
    noneYet: 'No round yet. Your first one appears here when you are chosen for a cohort.',
    outcome: 'What became of it',
    outcomes: {
      computing: 'computing',
      sending: 'sending',
      accepted: 'accepted',
      late: 'too late, not used',
      refused: 'refused',
      abandoned: 'round given up, not used',
    } satisfies Record<Contribution['outcome'], string>,
    spentAfter: 'Epsilon after it',
    size: 'Size',
    shared: 'The shared model so far',
    sharedNote: 'Measured by the server on public test data, not on anybody’s rows.',
    accuracy: 'Test accuracy',
    loss: 'Test loss',
    chart: {
      round: 'Round',
      showTable: 'Show as a table',
      empty: 'No result yet. The first comes before round 1.',
      summary: (name: string, first: string, last: string, round: number) =>
        `${name} by round: ${first} at the start, ${last} after round ${round}.`,
    },
    endLine: (accepted: number) =>
      accepted === 0
        ? 'None of your updates became part of the shared model.'
        : `${plural(accepted, 'update', 'updates')} of yours became part of the shared model.`,
    endHelp: {
      'run-completed': 'Nothing more leaves this device. You can close this tab.',
      'run-stopped':
        'Whoever runs it ended the run. Nothing more leaves this device. You can close this tab.',
      withdrawn: 'Nothing more leaves this device. You can close this tab.',
      'budget-spent':
        'You spent all that you agreed to, so your device stopped by itself. You can close this tab.',
      'other-tab': 'This tab sent nothing.',
      'device-error': 'Nothing unfinished was sent. Close heavy tabs, then open this page again to go on.',
      refused: 'Nothing more leaves this device. Open the page again to see what the run is like now.',
    } satisfies Record<StopReason, string>,
  },
} as const;

const END_TITLES: Record<StopReason, string> = {
  'run-completed': 'The run is completed',
  'run-stopped': 'The run was stopped',
  withdrawn: 'You stopped',
  'budget-spent': 'Your limit is reached',
  'device-error': 'Your device had a problem',
  'other-tab': 'You contribute in another tab already',
  refused: 'The server did not accept this device',
};
