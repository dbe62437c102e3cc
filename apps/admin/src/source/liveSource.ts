import { io } from 'socket.io-client';
import {
  ADMIN_NAMESPACE,
  auditEntrySchema,
  createdInviteSchema,
  inviteSchema,
  parseMessage,
  rotatedTokenSchema,
  runDetailSchema,
} from '@chorale/protocol';
import { messages } from '../messages.ts';
import type { AdminSource } from './AdminSource.ts';
import { createStateBox } from './stateBox.ts';

const RETRY_MS = 3000;
const REQUEST_TIMEOUT_MS = 15_000;

/** The real source: REST for the first look and for commands, a socket for what changes. Reconnects by itself. */
export function createLiveSource(): AdminSource {
  const box = createStateBox();
  const socket = io(ADMIN_NAMESPACE, {
    transports: ['websocket'],
    withCredentials: true,
    autoConnect: false,
  });

  const signOut = () => {
    socket.disconnect();
    box.set({ session: { status: 'signed-out' } });
  };
  const isSignedOut = (response: Response) => {
    if (response.status !== 401) return false;
    signOut();
    return true;
  };

  const start = async (): Promise<void> => {
    try {
      const response = await request('/api/admin/session');
      if (isSignedOut(response)) return;
      if (!response.ok) throw new Error(await refusalOf(response));
      const answer: unknown = await response.json();
      if (isRecord(answer) && answer['signedIn'] === false) return signOut();
      await loadRuns();
      if (box.get().session.status === 'signed-out') return;
      box.set({ session: { status: 'signed-in' } });
      socket.connect();
    } catch (error) {
      // With data on the page the veil tells it; before that, the whole page does.
      if (box.get().runs === null) box.set({ session: { status: 'unreachable', message: wordsOf(error) } });
      setTimeout(() => void start(), RETRY_MS);
    }
  };

  const loadRuns = async (): Promise<void> => {
    const response = await request('/api/admin/runs');
    if (isSignedOut(response)) return;
    if (!response.ok) throw new Error(await refusalOf(response));
    box.setRuns(parseMessage(runDetailSchema.array(), await response.json(), 'GET /api/admin/runs'));
    box.set({ problem: null });
  };

  /** @throws {Error} the server's words, or that there is no answer */
  const ask = async (path: string, method: Method = 'GET', body?: unknown): Promise<Response> => {
    const response = await request(path, method, body).catch((cause: unknown) => {
      throw new Error(wordsOf(cause), { cause });
    });
    if (isSignedOut(response)) throw new Error(messages.signIn.expired);
    if (!response.ok) throw new Error(await refusalOf(response));
    return response;
  };
  const invitesOf = (runId: string) => `/api/admin/runs/${encodeURIComponent(runId)}/invites`;

  const lost = () => {
    const { connection } = box.get();
    if (connection.status !== 'lost') box.set({ connection: { status: 'lost', since: Date.now() } });
  };

  socket.on('connect', () => {
    // What happened while the connection was down is fetched whole; only then the data is current again.
    loadRuns().then(
      () => box.set({ connection: { status: 'live' } }),
      (error: unknown) => box.set({ problem: wordsOf(error) }),
    );
  });
  socket.on('run:detail', (message: unknown) => {
    try {
      box.setRun(parseMessage(runDetailSchema, message, 'run:detail'));
    } catch (error) {
      box.set({ problem: wordsOf(error) });
    }
  });
  socket.on('disconnect', (reason) => {
    lost();
    // After these two, socket.io does not come back by itself: either we are signed out, or the server restarted.
    if (reason === 'io server disconnect') setTimeout(() => void start(), RETRY_MS);
  });
  socket.on('connect_error', () => {
    lost();
    if (!socket.active) setTimeout(() => void start(), RETRY_MS);
  });

  void start();
  return {
    getState: box.get,
    subscribe: box.subscribe,
    act: async (runId, action) => {
      await ask(`/api/admin/runs/${encodeURIComponent(runId)}/${action}`, 'POST');
      await loadRuns();
    },
    invites: async (runId) => {
      const answer: unknown = await (await ask(invitesOf(runId))).json();
      return parseMessage(inviteSchema.array(), answer, 'invites');
    },
    createInvite: async (runId, invite) => {
      const answer: unknown = await (await ask(invitesOf(runId), 'POST', invite)).json();
      return parseMessage(createdInviteSchema, answer, 'new invite');
    },
    withdrawInvite: async (runId, inviteId) => {
      await ask(`${invitesOf(runId)}/${encodeURIComponent(inviteId)}`, 'DELETE');
    },
    audit: async (before, limit) => {
      const query = before === null ? '' : `&before=${before}`;
      const answer: unknown = await (await ask(`/api/admin/audit?limit=${limit}${query}`)).json();
      const entries = isRecord(answer) ? answer['entries'] : undefined;
      return parseMessage(auditEntrySchema.array(), entries, 'log');
    },
    rotateToken: async () => {
      const answer: unknown = await (await ask('/api/admin/token/rotate', 'POST')).json();
      return parseMessage(rotatedTokenSchema, answer, 'new token').token;
    },
    signOut: async () => {
      await ask('/api/admin/sign-out', 'POST');
      signOut();
    },
  };
}

type Method = 'GET' | 'POST' | 'DELETE';

function request(path: string, method: Method = 'GET', body?: unknown): Promise<Response> {
  return fetch(path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    credentials: 'same-origin',
    cache: 'no-store',
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
}

/** The server's own words where it gave some. */
async function refusalOf(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const error = isRecord(body) && isRecord(body['error']) ? body['error'] : body;
  return isRecord(error) && typeof error['message'] === 'string'
    ? error['message']
    : messages.refused(response.status);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function wordsOf(error: unknown): string {
  // fetch says "Failed to fetch" or "signal timed out", which helps nobody.
  if (error instanceof TypeError || error instanceof DOMException) return messages.noAnswer;
  return error instanceof Error ? error.message : String(error);
}
