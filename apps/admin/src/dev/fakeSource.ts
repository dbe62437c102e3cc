import type { AdminAction, Invite, RunDetail } from '@chorale/protocol';
import type { AdminSource } from '../source/AdminSource.ts';
import { createStateBox } from '../source/stateBox.ts';
import { fakeDetail } from './fakeDetail.ts';
import { fakeAudit, fakeInvites } from './fakeSafety.ts';

const wait = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/**
 * Invented runs for `vite dev` only (`?fake=1&variant=signed-out|empty|lost|fresh|unreachable`). The first run lives:
 * updates arrive, rounds close, and the buttons work; pausing the second one shows an error in place, pausing the last
 * one takes a while.
 */
export function createFakeSource(variant: string | null): AdminSource {
  const box = createStateBox();
  const find = (runId: string) => box.get().runs?.find(({ detail }) => detail.run.runId === runId)?.detail;
  const change = (runId: string, make: (detail: RunDetail) => RunDetail) => {
    const detail = find(runId);
    if (detail !== undefined) box.setRun(make(detail));
  };

  if (variant === 'signed-out') {
    box.set({ session: { status: 'signed-out' } });
  } else if (variant === 'unreachable') {
    box.set({
      session: { status: 'unreachable', message: 'The server does not answer. Check that it is running.' },
    });
  } else {
    box.setRuns(
      variant === 'empty'
        ? []
        : [
            fakeDetail({
              runId: 'film-reviews',
              name: 'Film reviews',
              status: 'training',
              done: 6,
              counts: true,
            }),
            fakeDetail({
              runId: 'bus-notices',
              name: 'Bus notices',
              status: 'recruiting',
              done: 0,
              access: 'invite',
            }),
            fakeDetail({
              runId: 'open-notes',
              name: 'Open notes',
              status: 'completed',
              done: 12,
              unit: 'none',
            }),
            fakeDetail({
              runId: 'clinic-letters',
              name: 'Clinic letters',
              status: 'evaluating',
              done: 4,
              unit: 'contributor',
            }),
          ],
    );
    box.set({ session: { status: 'signed-in' }, connection: { status: 'live' } });
    if (variant === 'lost') box.set({ connection: { status: 'lost', since: Date.now() - 14_000 } });
    else setInterval(() => change('film-reviews', receiveOne), 2500);
  }

  let invites: Invite[] = fakeInvites();
  return {
    getState: box.get,
    subscribe: box.subscribe,
    act: async (runId, action) => {
      await wait(700);
      if (runId === 'bus-notices' && action === 'pause') {
        throw new Error(
          'Expected a run that is training, got one that is recruiting. Wait for the first round.',
        );
      }
      // As a real run does: what is being measured is measured to its end first.
      if (find(runId)?.state.status === 'evaluating' && action === 'pause') {
        setTimeout(() => become(runId, 'pause'), 4000);
        return;
      }
      become(runId, action);
    },
    invites: async () => {
      await wait(300);
      return invites;
    },
    createInvite: async (_, { note = '', uses = 1, expiresInHours = null }) => {
      await wait(500);
      const createdAt = Date.now();
      const expiresAt = expiresInHours === null ? null : createdAt + 3_600_000 * expiresInHours;
      const inviteId = `invite${String(invites.length).padStart(4, '0')}`;
      const invite = { inviteId, note, createdAt, expiresAt, uses, used: 0, withdrawn: false };
      invites = [...invites, invite];
      const code = 'bXk2Z2hqZmtkbHM5MzR1ZmpkaA';
      return { invite, code, url: `${location.origin}/?run=film-reviews#invite=${code}` };
    },
    withdrawInvite: async (_, inviteId) => {
      await wait(500);
      invites = invites.map((invite) =>
        invite.inviteId === inviteId ? { ...invite, withdrawn: true } : invite,
      );
    },
    audit: async (before, limit) => {
      await wait(300);
      const entries = await fakeAudit();
      return entries.filter(({ sequence }) => before === null || sequence < before).slice(0, limit);
    },
    rotateToken: async () => {
      await wait(500);
      return 'a-new-token-of-no-server';
    },
    signOut: async () => {
      await wait(300);
      box.set({ session: { status: 'signed-out' } });
    },
  };

  function become(runId: string, action: AdminAction): void {
    const status = ({ pause: 'paused', resume: 'recruiting', stop: 'stopped' } as const)[action];
    const reason = {
      pause: 'Paused by an admin.',
      resume: 'Waiting for contributors.',
      stop: 'Stopped by an admin.',
    }[action];
    change(runId, (detail) => ({
      ...detail,
      members: [],
      state: { ...detail.state, status, reason, cohort: 0, received: 0, timeLeftMs: null },
    }));
  }
}

/** One more update arrives; when all are in, the round closes and the next one starts. */
function receiveOne(detail: RunDetail): RunDetail {
  const { state } = detail;
  if (state.status !== 'training') return detail;
  const waiting = detail.members.findIndex(({ state: memberState }) => memberState === 'training');
  if (waiting >= 0) {
    const members = detail.members.map((member, index) =>
      index === waiting ? { ...member, state: 'received' as const } : member,
    );
    const received = state.received + 1;
    const reason = `The cohort is training: ${received} of ${state.cohort} updates are in.`;
    return { ...detail, members, state: { ...state, received, reason } };
  }
  const done = state.adapterVersion + 1;
  const ended = done === state.roundCount;
  const { name } = detail.run.plan.config;
  return fakeDetail({
    runId: detail.run.runId,
    name,
    status: ended ? 'completed' : 'training',
    done,
    counts: true,
  });
}
