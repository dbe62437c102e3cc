import type { AdminAction, Availability, BackendName, CohortMember, RunStatus } from '@chorale/protocol';
import { formatAge, formatCount, formatDuration, formatNumber } from '@chorale/ui';
import { privacyMessages } from './privacyMessages.ts';

const plural = (count: number, one: string, many: string) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** Everything the admin page says. */
export const messages = {
  suffix: 'admin',
  title: (name: string) => `${name} – Chorale admin`,
  skip: 'Skip to the content',
  noAnswer: 'The server does not answer. Check that it is running.',
  refused: (status: number) => `The server refused this (HTTP ${status}).`,
  unknownScreen: 'There is no such page',
  toRuns: 'All runs',
  loading: 'Asking the server',
  unreachable: 'The server cannot be reached',
  retrying: 'Trying again every few seconds, by itself.',
  problem: 'The last message of the server could not be used',
  problemHelp: 'Reload the page; if it stays, page and server are of different versions.',
  copy: { copy: 'Copy', copied: 'Copied.', byHand: 'Selected: press Ctrl+C or ⌘C to copy.' },

  connection: {
    connecting: 'connecting',
    live: 'live',
    lost: 'disconnected',
    veilTitle: 'Disconnected from the server',
    veil: (ageMs: number) =>
      `What you see was current ${formatAge(ageMs)}. The page reconnects by itself; a run does not need it.`,
  },

  signIn: {
    title: 'Sign in',
    how: 'When the server starts, it prints a link that begins with the address of this page and ends with a token. Open that link once; this browser then stays signed in.',
    field: 'Link or token',
    hint: 'Paste the whole link, or the part after “token=”.',
    missing: 'Paste the link or the token first.',
    expired: 'You are signed out. Open the link that the server printed.',
    submit: 'Sign in',
  },

  status: {
    recruiting: 'Recruiting',
    training: 'Training',
    aggregating: 'Aggregating',
    evaluating: 'Evaluating',
    paused: 'Paused',
    completed: 'Completed',
    stopped: 'Stopped',
    failed: 'Failed',
  } satisfies Record<RunStatus, string>,

  backends: {
    webgpu: 'WebGPU',
    webgl: 'WebGL',
    wasm: 'WebAssembly',
    cpu: 'JavaScript',
  } satisfies Record<BackendName, string>,

  runs: {
    title: 'Runs',
    emptyTitle: 'No run yet',
    empty: 'Write a run config and start the server with it; the run appears here by itself:',
    emptyCommand: 'chorale serve --data-dir DIR --config run.json',
    progress: 'Rounds finished',
    of: (done: number, all: number) => `${done} of ${all}`,
    accuracy: 'Test accuracy',
    epsilon: 'Epsilon, most spent',
    online: 'Online',
    none: '–',
    unprotected: 'no privacy',
    unprotectedRun: 'protects nothing',
    created: (ageMs: number) => `created ${formatAge(ageMs)}`,
    model: (model: string, rank: number, cohortSize: number) =>
      `${model} · rank ${rank} · ${plural(cohortSize, 'device', 'devices')} a round`,
  },

  run: {
    unknownTitle: 'There is no run with this address',
    unknown: 'It may be on another server, or the address is incomplete.',
    round: (round: number, all: number) => `Round ${round} of ${all}`,
    phases: 'Phases of the round',
    present: 'present phase',
    timeLeft: (leftMs: number) => `This phase ends in ${formatDuration(leftMs)} at the latest.`,
    now: 'Now',
    online: 'Online',
    available: 'Available',
    inCohort: 'In the cohort',
    received: 'Updates received',
    version: 'Adapter version',
    refusals: 'With a refused update',
    cohort: 'Cohort of this round',
    cohortEmpty: 'No cohort yet. It is chosen when enough contributors are available.',
    cohortEnded: 'The run has ended, so there is no cohort.',
    members: {
      training: 'training',
      received: 'received',
      disconnected: 'disconnected',
      dropped: 'dropped',
    } satisfies Record<CohortMember['state'], string>,
    share: 'Invite contributors',
    shareText: 'Send this address to the people who should contribute. Nothing has to be installed.',
    shareFirst: 'Nobody is here yet. Send this address to the people who should contribute:',
    address: 'Address for contributors',

    controls: 'Controls',
    actions: { pause: 'Pause run', resume: 'Resume run', stop: 'Stop run' } satisfies Record<
      AdminAction,
      string
    >,
    pausing: 'Pausing…',
    pausingHelp: 'The pause begins when the round under way is averaged and measured.',
    pauseHelp: 'A pause keeps everything: contributors stay connected and wait.',
    stopQuestion:
      'Stop this run for good? A stop is final: no further round starts, and contributors are told that the run has ended. The adapter of the last finished round stays available.',
    stopConfirm: 'Stop for good',
    stopCancel: 'Keep running',
    endedControls: 'The run has ended; there is nothing left to control.',

    curves: 'Accuracy and loss',
    noEvaluation: 'This run has no public test file, so accuracy and loss are not measured.',
    accuracy: 'Test accuracy',
    loss: 'Test loss',
    localAccuracy: 'Accuracy on contributors’ own rows (noisy)',
    localAccuracyNote:
      'Every tab counts on its own rows and adds noise to both counts before they leave. Shown is the share right with the adapter that a round began with, ± two standard deviations of that noise; where the noise is too strong for a share to mean anything, nothing is shown. The epsilon spent includes it.',
    chart: {
      round: 'Round',
      showTable: 'Show as a table',
      empty: 'No result yet. The first comes before round 1.',
      summary: (name: string, first: string, last: string, round: number) =>
        `${name} by round: ${first} at the start, ${last} after round ${round}.`,
    },

    rounds: 'Rounds',
    roundsEmpty: 'No round is finished yet. Each one adds a line here.',
    columns: {
      round: 'Round',
      attempt: 'Attempt',
      cohort: 'Cohort',
      received: 'Received',
      accuracy: 'Accuracy',
      localAccuracy: 'Own rows (noisy)',
      loss: 'Loss',
      epsilon: 'Epsilon',
      bytes: 'Up per client',
      duration: 'Time',
    },
    start: '0 (start)',

    privacy: privacyMessages,

    contributors: 'Contributors',
    contributorsNote:
      'A round is charged to a contributor once her update is, or may have been, sent; a late or refused one costs her as much as one that is stored.',
    contributorsEmpty: 'Nobody has joined yet. Send the address above to the people who should contribute.',
    contributor: {
      id: 'Contributor',
      state: 'State',
      backend: 'Computes with',
      stored: 'Rounds stored',
      charged: 'Rounds charged',
      epsilon: 'Epsilon spent',
      refusal: 'Last refusal',
      offline: 'offline',
      availability: {
        available: 'online',
        paused: 'paused by them',
        'limit-reached': 'own limit reached',
      } satisfies Record<Availability, string>,
      noRefusal: 'none',
    },

    plan: 'Plan',
    planHash: 'Plan hash',
    planHashHint: 'Contributors see the same hash on their page; it is bound into every update.',
    planFacts: {
      runId: 'Run id',
      purpose: 'Purpose',
      operator: 'Run by',
      model: 'Base model',
      labels: 'Labels',
      adapter: 'Adapter',
      parameters: 'Trained parameters',
      training: 'Training in a tab',
      rounds: 'Rounds',
      created: 'Created',
      notGiven: 'not given',
      adapterText: (strategy: string, rank: number, alpha: number, modules: readonly string[]) =>
        `${strategy}, rank ${rank}, alpha ${formatNumber(alpha)}, on ${modules.join(', ')}`,
      trainingText: (steps: number, learningRate: number) =>
        `${plural(steps, 'step', 'steps')} a round, learning rate ${formatNumber(learningRate)}`,
      roundsText: (count: number, cohortSize: number, minimumUpdates: number, deadlineSeconds: number) =>
        `${formatCount(count)}; cohort of ${cohortSize}, at least ${plural(minimumUpdates, 'update', 'updates')}, deadline ${formatDuration(1000 * deadlineSeconds)}`,
    },
    config: 'Whole config as JSON',

    adapter: 'Adapter',
    adapterText: (version: number) =>
      `Version ${version}, as a zip in the layout of Hugging Face PEFT: adapter_config.json, adapter_model.safetensors and a README that says how the rows behind it are protected.`,
    adapterNone: 'No round is aggregated yet. After round 1 the adapter can be downloaded here.',
    download: (version: number) => `Download adapter version ${version}`,
  },
} as const;
