import type { ErrorCode } from '@chorale/protocol';
import type {
  ConditionKind,
  ConditionReading,
  Contribution,
  Participation,
  ReadingReason,
  StopReason,
} from '@chorale/client';
import { formatBytes, formatCount, formatEpsilon } from '@chorale/ui';

const plural = (count: number, one: string, many: string) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** What section 5 of the contributor page says. */
export const contributeMessages = {
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
          reason: sendingReason(participation),
        };
      case 'paused':
        return { title: 'Paused', reason: participation.reason };
      case 'recovering':
        return { title: 'Starting your device again', reason: participation.reason };
      case 'reading':
        return { title: READING_TITLES[participation.because], reason: participation.message };
      case 'disconnected':
        return { title: 'Disconnected', reason: connectionTrouble(participation.error) };
      case 'stopped':
        return { title: END_TITLES[participation.because], reason: participation.message };
    }
  },
  /** @param seconds until the next try; null or none left: it is under way */
  reconnecting: (seconds: number | null) =>
    seconds === null || seconds <= 0
      ? 'Reconnecting by itself, trying now.'
      : `Reconnecting by itself, next try in ${seconds} s.`,
  keepOpen: 'Keep this tab open. It may be in the background.',
  keepVisible: 'Keep this tab open and in front.',
  reading:
    'Your device trains no more in this run; what it computed before may be sent once more, unchanged. That is what you asked for, and nothing went wrong. You can close this tab, or keep it open and watch the shared model below.',
  round: 'Round',
  roundOf: (round: number, all: number) => `${round} of ${all}`,
  contributed: 'Your accepted updates',
  sent: 'Sent by you',
  stepLabel: 'Step of this round',
  stepDetail: (step: number, all: number) => `${step} of ${all}`,
  preparing: 'Progress',
  spent: 'Epsilon spent',
  spentOf: (spent: number, allowed: number) => `${formatEpsilon(spent)} of at most ${formatEpsilon(allowed)}`,
  unprotected: 'This run protects nothing.',
  unprotectedText:
    'There is no epsilon to spend: it adds no noise, so nothing limits what your updates say about your rows.',
  noProtection: 'no protection',
  pause: 'Pause',
  resume: 'Resume',
  goOn: 'Go on anyway',
  stop: 'Stop',
  when: {
    title: 'When to contribute',
    intro: 'Your device pauses by itself while one of these holds, and goes on when it is over.',
    choices: {
      battery: 'Pause on a low battery',
      metered: 'Pause on a connection that may cost money',
      hidden: 'Contribute only while this tab is visible',
    } satisfies Record<ConditionKind, string>,
    hints: {
      battery: ({ battery }: ConditionReading) =>
        battery === null
          ? `${CANNOT_TELL} how full the battery is.`
          : `Under 20 % and not charging. Now ${Math.round(battery.level * 100)} %, ${battery.charging ? 'on power' : 'not charging'}.`,
      metered: ({ metered }: ConditionReading) =>
        metered === null
          ? `${CANNOT_TELL} what a connection costs.`
          : `On a mobile network, or when the browser is set to save data. ${NETWORKS[metered]}`,
      hidden: () =>
        'If not chosen, training goes on in the background. Browsers slow what a hidden page shows, not the training itself.',
    } satisfies Record<ConditionKind, (reading: ConditionReading) => string>,
  },
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
    restored: 'counts as sent',
    unsent: 'counts, but was not sent',
    unanswered: 'counts; no answer came',
  } satisfies Record<Contribution['outcome'], string>,
  restoredNote:
    '“Counts as sent”: this browser had lost the record of the round; the server still had it, so nothing was forgotten and nothing is sent again.',
  refusedNote:
    '“Refused”: the server does not use an update that it cannot read, or whose size no honest noise and limits give. It counts all the same, since it was sent. When it happens again, stop and tell whoever runs this.',
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
  startAnew: {
    label: 'Start as somebody new',
    question:
      'Start as somebody new to this server? What this browser has spent in this run stays counted, and new rounds add to it. Rounds you took part in before are not done again. The server counts you as one more contributor; a run by invitation needs a new link.',
    confirm: 'Start as somebody new',
    cancel: 'Not now',
  },
  endHelp: {
    'run-completed': 'Nothing more leaves this device. You can close this tab.',
    'run-stopped': 'Nothing more leaves this device. You can close this tab.',
    'run-over': 'Nothing more leaves this device. Open the page again to see how it ended.',
    withdrawn: 'Nothing more leaves this device. You can close this tab.',
    'other-tab': 'This tab sent nothing.',
    'device-error': 'Nothing unfinished was sent. Close heavy tabs, then open this page again to go on.',
    'not-invited':
      'Open the whole link that you were sent, with the part after “#invite=”. If you have none, or it counts no more, ask whoever runs this for a new one.',
    'unknown-here':
      'Nothing more leaves this device. If whoever runs it says that nothing better can be done, you can start as somebody new: what this browser has spent in this run stays counted.',
    replaced: 'This one sends nothing more. Use the other one, or open the page again to go on here.',
    refused: 'Nothing more leaves this device. Open the page again to see what the run is like now.',
  } satisfies Record<StopReason, string>,
} as const;

const END_TITLES: Record<StopReason, string> = {
  'run-completed': 'The run is completed',
  'run-stopped': 'The run was stopped',
  'run-over': 'The run is over',
  withdrawn: 'You stopped',
  'device-error': 'Your device had a problem',
  'other-tab': 'You contribute in another tab already',
  'not-invited': 'This run is by invitation',
  'unknown-here': 'The server does not know you any more',
  replaced: 'You contribute from somewhere else now',
  refused: 'The server did not accept this device',
};

/** Why there is no connection, where the page has better words than the server. */
const TROUBLES: Partial<Record<ErrorCode, string>> = {
  RATE_LIMITED: 'Too much came from this device or its network in a short time, so the server asks to wait',
  SERVER_CLOSING: 'The server is being restarted',
  STORE_FULL: 'The server has no room left to store updates; whoever runs it has to make some',
  INTERNAL: 'The server had a problem of its own; whoever runs it finds it in the log',
};

type Sending = Participation & { status: 'sending' };

function sendingReason({ round, payloadBytes, trouble }: Sending): string {
  const what = `Round ${round}: ${formatBytes(payloadBytes)}, limited and mixed as agreed`;
  if (trouble === null) return what;
  return `${what}. It was not taken yet, and is sent again by itself: ${connectionTrouble(trouble)}`;
}

function connectionTrouble({ code, message }: { code: ErrorCode; message: string }): string {
  return TROUBLES[code] ?? message;
}

const CANNOT_TELL = 'Holds nothing up here: this browser does not tell';

const NETWORKS: Record<NonNullable<ConditionReading['metered']>, string> = {
  'save-data': 'Now it is set to save data.',
  cellular: 'Now it is a mobile network.',
  no: 'Now neither is so.',
};

const READING_TITLES: Record<ReadingReason, string> = {
  'epsilon-limit': 'Your epsilon limit is reached',
  'most-rounds': 'Your limit of rounds is reached',
};
