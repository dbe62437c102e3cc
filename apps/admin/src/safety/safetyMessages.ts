import type { AuditedAct, Invite } from '@chorale/protocol';
import { formatCount } from '@chorale/ui';

/** What the admin page says about who gets in. */
export const safetyMessages = {
  signOut: 'Sign out',
  log: 'Log',

  invites: {
    title: 'Invites',
    intro:
      'Only people with an invite can join this run. Each link lets as many people in as you say; whoever has joined needs it no more.',
    first: 'Nobody is here yet. Make an invite and send its link to the people who should contribute.',
    note: 'For whom',
    noteHint: 'Only you see this.',
    uses: 'People',
    usesHint: 'How many may join with the link.',
    usesError: 'A whole number from 1 to 100,000.',
    days: 'Valid for',
    dayChoices: [
      { days: 1, label: '1 day' },
      { days: 14, label: '14 days' },
      { days: 90, label: '90 days' },
      { days: null, label: 'no end' },
    ],
    make: 'Make an invite',
    made: 'The link, shown only now',
    madeHint: 'Send it to those it is for. It cannot be shown again; make another one if it gets lost.',
    list: 'Invites of this run',
    empty: 'No invite yet.',
    loading: 'Asking for the invites',
    columns: { note: 'For whom', used: 'Joined', expires: 'Valid until', state: 'State', action: 'Action' },
    noNote: 'no note',
    never: 'no end',
    usedOf: ({ used, uses }: Invite) => `${formatCount(used)} of ${formatCount(uses)}`,
    states: { open: 'open', used: 'used up', expired: 'expired', withdrawn: 'withdrawn' },
    withdraw: (note: string) => (note === '' ? 'Withdraw' : `Withdraw “${note}”`),
    withdrawQuestion:
      'Withdraw this invite? Nobody else can join with it. Those who joined with it stay contributors.',
    withdrawConfirm: 'Withdraw it',
    withdrawCancel: 'Keep it',
  },

  logScreen: {
    title: 'Log of admin acts',
    intro:
      'Whatever an admin did, newest first. Each entry carries the hash of the one before it; this page checks them.',
    broken: (sequence: number) =>
      `Entry ${sequence} does not fit the one before it: something in this log was changed or left out.`,
    loading: 'Asking for the log',
    empty: 'Nothing has been done yet.',
    entries: 'Entries',
    older: 'Show older entries',
    columns: { time: 'Time', act: 'Act', run: 'Run', actor: 'By', address: 'From', detail: 'Details' },
    server: 'the server',
    nothing: '–',
    acts: {
      'server-start': 'server started',
      'sign-in': 'signed in',
      'sign-in-refused': 'sign-in refused',
      'sign-out': 'signed out',
      'token-rotated': 'sign-in link replaced',
      pause: 'run paused',
      resume: 'run resumed',
      stop: 'run stopped',
      'invite-created': 'invite made',
      'invite-withdrawn': 'invite withdrawn',
      'adapter-downloaded': 'adapter downloaded',
    } satisfies Record<AuditedAct, string>,
  },

  rotate: {
    title: 'Sign-in link',
    intro:
      'If somebody else may have the link that the server printed, replace it: the old link ends, and so does every other signed-in browser.',
    label: 'Replace the sign-in link',
    question: 'Replace the sign-in link? The present one ends, and all other browsers are signed out.',
    confirm: 'Replace it',
    cancel: 'Keep it',
    made: 'The new link, shown only now',
    madeHint:
      'Keep it where you kept the old one. If the server is started with CHORALE_ADMIN_TOKEN, put the token of this link there: the old one is never valid again. Without that setting, every start prints a new link.',
  },
} as const;
