import type { Namespace, Socket } from 'socket.io';
import type { ContributorToServer, ErrorCode, OfferAnswer, ServerToContributor } from '@chorale/protocol';
import {
  ChoraleError,
  availabilitySchema,
  joinSchema,
  leaveSchema,
  offerSchema,
  parseMessage,
  updateSchema,
  wireError,
} from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import type { Who } from '../access/admission.ts';
import type { Log } from '../log.ts';
import type { RunAudience } from '../runs/runAudience.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { answered } from './answered.ts';
import type { Connections } from './connections.ts';
import type { ContributorEvent } from './eventLimits.ts';
import { CONTRIBUTOR_EVENTS, EventLimits } from './eventLimits.ts';
import { connectError, readHandshake, serverClosing } from './handshake.ts';
import { TRANSFER_BYTES, TransferSlots } from './transferSlots.ts';

/** Who speaks on a socket, of which run. */
type SocketData = {
  host: RunHost;
  /** Proved by the handshake; somebody new is a contributor once she has joined. */
  who: Who;
  joined: boolean;
  joinTimer?: NodeJS.Timeout;
};
type NoEvents = Record<string, never>;
export type ContributeNamespace = Namespace<ContributorToServer, ServerToContributor, NoEvents, SocketData>;
type ContributorSocket = Socket<ContributorToServer, ServerToContributor, NoEvents, SocketData>;

export type ContributeOptions = {
  registry: RunRegistry;
  access: Access;
  connections: Connections;
  log: Log;
  /** How long a socket may be open without having joined. */
  joinTimeoutMs?: number;
  /** Bytes of updates that may be on their way at once. */
  transferBytes?: number | undefined;
};

const JOIN_TIMEOUT_MS = 30_000;
/** However large they are, so many updates may come at once. */
const FEWEST_TRANSFERS = 4;

const roomOfRun = (runId: string): string => `run/${runId}`;
const roomOfContributor = (runId: string, contributorId: string): string =>
  `contributor/${runId}/${contributorId}`;

/** Lets contributors in and takes their events to their runs. */
export function serveContributors(namespace: ContributeNamespace, options: ContributeOptions): void {
  const { registry, access, connections, log } = options;
  namespace.use((socket, next) => {
    try {
      if (!connections.claim(socket.conn)) {
        throw new ChoraleError('MESSAGE_INVALID', 'expected one socket per connection; open another');
      }
      socket.data = { ...readHandshake(socket.handshake.auth, registry, access), joined: false };
      next();
    } catch (error) {
      const { code } = wireError(error);
      if (code === 'INTERNAL' || code.startsWith('STORE_')) log.error({ err: error }, 'handshake');
      access.observer.refused('connection', code);
      next(connectError(error));
    }
  });
  const { transferBytes = TRANSFER_BYTES } = options;
  const slots = new TransferSlots({
    budgetBytes: Math.max(transferBytes, FEWEST_TRANSFERS * registry.largestMessageBytes()),
    onQueue: (length) => access.observer.offerQueue(length),
  });
  namespace.on('connection', (socket) => serve(socket, slots, options));
}

function serve(socket: ContributorSocket, slots: TransferSlots, options: ContributeOptions): void {
  const { access, log } = options;
  const runId = socket.data.host.run.runId;
  // Without a listener socket.io would throw what goes wrong on a socket (CVE-2024-38355).
  socket.on('error', (error) => log.warn({ err: error, runId }, 'contributor socket'));
  limitEvents(socket, options);
  expectJoin(socket, options);

  const refused = (code: ErrorCode): void => access.observer.refused('message', code);
  const on = (event: ContributorEvent, handler: (...args: unknown[]) => unknown): void => {
    socket.on(event, answered(event, log, handler, refused));
  };
  on('join', (value) => join(socket, value, options));
  on('availability', (value) => {
    const { availability } = parseMessage(availabilitySchema, value, 'availability');
    const { host, contributorId } = memberOf(socket);
    host.setAvailability(contributorId, availability);
    return null;
  });
  on('offer', (value) => offer(socket, value, slots));
  on('update', (value, payload) => {
    const { round } = parseMessage(updateSchema, value, 'update');
    if (!(payload instanceof Uint8Array)) {
      throw new ChoraleError('MESSAGE_INVALID', 'update: expected one binary attachment after the message');
    }
    const { host, contributorId } = provedOf(socket);
    if (!slots.arrived(socket.id)) {
      throw new ChoraleError(
        'RATE_LIMITED',
        'expected an update that was offered and granted; offer it first',
      );
    }
    return host.receiveUpdate(contributorId, round, payload);
  });
  on('leave', (value) => {
    parseMessage(leaveSchema, value, 'leave');
    const { host, contributorId } = memberOf(socket);
    host.leave(contributorId);
    void socket.leave(roomOfRun(runId));
    void socket.leave(roomOfContributor(runId, contributorId));
    socket.data.joined = false;
    expectJoin(socket, options);
    return null;
  });
  socket.on('disconnect', () => {
    clearTimeout(socket.data.joinTimer);
    slots.gone(socket.id);
    const { host, who, joined } = socket.data;
    try {
      if ('contributorId' in who && joined) host.disconnect(who.contributorId, socket.id);
    } catch (error) {
      log.error({ err: error, runId }, 'disconnect of a contributor');
    }
    // A connection without a socket is of no use; what says why is sent before
    socket.conn.close();
  });
}

/** Answers what comes too often, and what no contributor sends, before any handler sees it. */
function limitEvents(socket: ContributorSocket, { access, log }: ContributeOptions): void {
  const limits = new EventLimits(access.limits.messagesPerSecond, access.now());
  const refuse = (args: unknown[], error: ChoraleError): void =>
    void answered(
      String(args[0]).slice(0, 40),
      log,
      () => {
        throw error;
      },
      (code) => access.observer.refused('message', code),
    )(...args);
  socket.use((args: unknown[], next) => {
    const event = CONTRIBUTOR_EVENTS.find((one) => one === args[0]) ?? null;
    if (!limits.take(event, access.now())) {
      return refuse(args, new ChoraleError('RATE_LIMITED', 'expected fewer messages; wait some seconds'));
    }
    // What is under way is finished; nobody new is taken in
    if (access.closing && event === 'join') return refuse(args, serverClosing());
    if (event !== null) return next();
    refuse(
      args,
      new ChoraleError('MESSAGE_INVALID', `expected one of the events ${CONTRIBUTOR_EVENTS.join(', ')}`),
    );
  });
}

/** Whoever opens a socket to join does so at once; what only holds it open is cut. */
function expectJoin(
  socket: ContributorSocket,
  { access, joinTimeoutMs = JOIN_TIMEOUT_MS }: ContributeOptions,
): void {
  clearTimeout(socket.data.joinTimer);
  socket.data.joinTimer = setTimeout(() => {
    if (socket.data.joined) return;
    access.observer.refused('connection', 'TIMEOUT');
    socket.disconnect(true);
  }, joinTimeoutMs).unref();
}

function join(socket: ContributorSocket, value: unknown, { access }: ContributeOptions): unknown {
  const message = parseMessage(joinSchema, value, 'join');
  const { host, who } = socket.data;
  const address = access.addressOf(socket.request);
  if (!('contributorId' in who) && !host.ended && !access.takeNewcomer(address)) {
    throw new ChoraleError(
      'RATE_LIMITED',
      'expected fewer new contributors from one network address in an hour; try again later',
    );
  }
  const joined = host.join(who, message, socket.id);
  const { contributorId, token } = joined;
  // From now on the same contributor, whatever is sent on this socket
  socket.data.who = { contributorId, token };
  socket.data.joined = true;
  clearTimeout(socket.data.joinTimer);
  const { runId } = host.run;
  void socket.join([roomOfRun(runId), roomOfContributor(runId, contributorId)]);
  return joined;
}

/** Answers at once what needs no bytes, and else when there is room for them. */
function offer(
  socket: ContributorSocket,
  value: unknown,
  slots: TransferSlots,
): OfferAnswer | Promise<OfferAnswer> {
  const message = parseMessage(offerSchema, value, 'offer');
  const { host, contributorId } = provedOf(socket);
  if (host.weighOffer(contributorId, message) === 'stored') return 'stored';
  const turn = slots.ask(socket.id, message.payloadBytes);
  return turn === null ? 'send' : turn.then(() => answerInTurn());

  /** While it waited its round may have closed, or another connection of hers have brought it. */
  function answerInTurn(): OfferAnswer {
    let granted = false;
    try {
      const answer = host.weighOffer(contributorId, message);
      granted = answer === 'send';
      return answer;
    } finally {
      if (!granted) slots.arrived(socket.id);
    }
  }
}

/** @throws {ChoraleError} NOT_JOINED: nobody has proved who she is */
function provedOf({ data }: ContributorSocket): { host: RunHost; contributorId: string } {
  if (!('contributorId' in data.who)) {
    throw new ChoraleError('NOT_JOINED', 'expected this connection to have joined its run; join first');
  }
  return { host: data.host, contributorId: data.who.contributorId };
}

/** @throws {ChoraleError} NOT_JOINED */
function memberOf(socket: ContributorSocket): { host: RunHost; contributorId: string } {
  if (socket.data.joined) return provedOf(socket);
  throw new ChoraleError('NOT_JOINED', 'expected this connection to have joined its run; join first');
}

/** Tells the contributors of a run; `changed` is left to the caller, who throttles it. */
export function contributorAudience(
  namespace: ContributeNamespace,
  connections: Connections,
): Omit<RunAudience, 'changed'> {
  return {
    startRound(contributorIds, message, adapter) {
      const rooms = contributorIds.map((id) => roomOfContributor(message.runId, id));
      // An adapter is large: nobody who has not read the last ones gets another
      const behind: string[] = [];
      for (const socketId of rooms.flatMap((room) => [...(namespace.adapter.rooms.get(room) ?? [])])) {
        const socket = namespace.sockets.get(socketId);
        if (socket !== undefined && connections.cutUnread(socket.conn)) behind.push(socketId);
      }
      // To nobody would be to all
      if (rooms.length > 0) namespace.to(rooms).except(behind).emit('round:start', message, adapter);
    },
    endRound(contributorIds, message) {
      const rooms = contributorIds.map((id) => roomOfContributor(message.runId, id));
      if (rooms.length > 0) namespace.to(rooms).emit('round:end', message);
    },
    roundRecord(runId, record) {
      namespace.to(roomOfRun(runId)).emit('round:record', record);
    },
    dropConnection(connectionId) {
      // Its client is told before the connection ends: it would come back by itself otherwise, and two tabs would push
      // each other out for ever.
      namespace.in(connectionId).disconnectSockets(false);
    },
  };
}

/** Sends where the run is to everybody in it. */
export function sendRunState(namespace: ContributeNamespace, host: RunHost): void {
  namespace.to(roomOfRun(host.run.runId)).emit('run:state', host.view());
}
