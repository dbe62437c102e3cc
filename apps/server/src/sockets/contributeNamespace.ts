import type { Namespace, Socket } from 'socket.io';
import type { ContributorToServer, ServerToContributor } from '@chorale/protocol';
import {
  ChoraleError,
  PROTOCOL_VERSION,
  availabilitySchema,
  joinSchema,
  leaveSchema,
  parseMessage,
  updateSchema,
} from '@chorale/protocol';
import type { Log } from '../log.ts';
import type { RunAudience } from '../runs/runAudience.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';
import { answered } from './answered.ts';

type Membership = { host: RunHost; contributorId: string };
type SocketData = { membership?: Membership | undefined };
type NoEvents = Record<string, never>;
export type ContributeNamespace = Namespace<ContributorToServer, ServerToContributor, NoEvents, SocketData>;
type ContributorSocket = Socket<ContributorToServer, ServerToContributor, NoEvents, SocketData>;

const roomOfRun = (runId: string): string => `run/${runId}`;
const roomOfContributor = (runId: string, contributorId: string): string =>
  `contributor/${runId}/${contributorId}`;

/** Takes contributors' events to the runs. */
export function serveContributors(namespace: ContributeNamespace, registry: RunRegistry, log: Log): void {
  namespace.on('connection', (socket) => {
    // Without a listener socket.io would throw what goes wrong on a socket (CVE-2024-38355).
    socket.on('error', (error) => log('warning', 'contributor socket', error));
    socket.on(
      'join',
      answered('join', log, (message) => join(socket, registry, message)),
    );
    socket.on(
      'availability',
      answered('availability', log, (value) => {
        const { runId, availability } = parseMessage(availabilitySchema, value, 'availability');
        const { host, contributorId } = membershipOf(socket, runId);
        host.setAvailability(contributorId, availability);
        return null;
      }),
    );
    socket.on(
      'update',
      answered('update', log, (value, payload) => {
        const { runId, round } = parseMessage(updateSchema, value, 'update');
        if (!(payload instanceof Uint8Array)) {
          throw new ChoraleError(
            'MESSAGE_INVALID',
            'update: expected one binary attachment after the message',
          );
        }
        const { host, contributorId } = membershipOf(socket, runId);
        return host.receiveUpdate(contributorId, round, payload);
      }),
    );
    socket.on(
      'leave',
      answered('leave', log, (value) => {
        const { runId } = parseMessage(leaveSchema, value, 'leave');
        const { host, contributorId } = membershipOf(socket, runId);
        host.leave(contributorId);
        quitRooms(socket);
        return null;
      }),
    );
    socket.on('disconnect', () => {
      const { membership } = socket.data;
      try {
        membership?.host.disconnect(membership.contributorId, socket.id);
      } catch (error) {
        log('error', 'disconnect of a contributor', error);
      }
    });
  });
}

function join(socket: ContributorSocket, registry: RunRegistry, value: unknown): unknown {
  // Before the schema: a client of another version may send other fields.
  const version =
    typeof value === 'object' && value !== null && 'protocolVersion' in value
      ? value.protocolVersion
      : undefined;
  if (typeof version === 'number' && version !== PROTOCOL_VERSION) {
    throw new ChoraleError(
      'PROTOCOL_MISMATCH',
      `expected protocol version ${PROTOCOL_VERSION}, got ${version}; reload the page`,
    );
  }
  const message = parseMessage(joinSchema, value, 'join');
  const host = registry.get(message.runId);
  const before = socket.data.membership;
  const joined = host.join(message, socket.id);
  const { contributorId } = joined;
  if (before && (before.host !== host || before.contributorId !== contributorId)) {
    quitRooms(socket);
    before.host.disconnect(before.contributorId, socket.id);
  }
  socket.data.membership = { host, contributorId };
  void socket.join([roomOfRun(message.runId), roomOfContributor(message.runId, contributorId)]);
  return joined;
}

/** @throws {ChoraleError} NOT_JOINED */
function membershipOf(socket: ContributorSocket, runId: string): Membership {
  const { membership } = socket.data;
  if (membership?.host.run.runId !== runId) {
    throw new ChoraleError('NOT_JOINED', `expected this connection to have joined run ${runId}; join first`);
  }
  return membership;
}

function quitRooms(socket: ContributorSocket): void {
  const { membership } = socket.data;
  if (!membership) return;
  const { runId } = membership.host.run;
  void socket.leave(roomOfRun(runId));
  void socket.leave(roomOfContributor(runId, membership.contributorId));
  socket.data.membership = undefined;
}

/** Tells the contributors of a run; `changed` is left to the caller, who throttles it. */
export function contributorAudience(namespace: ContributeNamespace): Omit<RunAudience, 'changed'> {
  return {
    startRound(contributorId, message, adapter) {
      namespace.to(roomOfContributor(message.runId, contributorId)).emit('round:start', message, adapter);
    },
    endRound(contributorId, message) {
      namespace.to(roomOfContributor(message.runId, contributorId)).emit('round:end', message);
    },
    roundRecord(runId, record) {
      namespace.to(roomOfRun(runId)).emit('round:record', record);
    },
    dropConnection(connectionId) {
      // Not the transport: a client comes back by itself after that, and two tabs would push each other out for ever.
      namespace.in(connectionId).disconnectSockets(false);
    },
  };
}

/** Sends where the run is to everybody in it. */
export function sendRunState(namespace: ContributeNamespace, host: RunHost): void {
  namespace.to(roomOfRun(host.run.runId)).emit('run:state', host.view());
}
