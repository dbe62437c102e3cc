import { ChoraleError, PROTOCOL_VERSION, handshakeSchema, parseMessage, wireError } from '@chorale/protocol';
import type { Access } from '../access/access.ts';
import type { Who } from '../access/admission.ts';
import type { RunHost } from '../runs/runHost.ts';
import type { RunRegistry } from '../runs/runRegistry.ts';

/** What a socket is after its handshake: of one run, and of a proved contributor or of somebody who may become one. */
export type Admitted = { host: RunHost; who: Who };

/**
 * Reads what a socket says as it opens, and decides whether it may.
 * @param auth from anybody
 * @throws {ChoraleError} SERVER_CLOSING, PROTOCOL_MISMATCH, MESSAGE_INVALID, RUN_UNKNOWN, IDENTITY_INVALID, INVITE_*
 */
export function readHandshake(auth: unknown, registry: RunRegistry, access: Access): Admitted {
  if (access.closing) throw serverClosing();
  // Before the schema: a client of another version may send other fields.
  const version =
    typeof auth === 'object' && auth !== null && Object.hasOwn(auth, 'protocolVersion')
      ? (auth as { protocolVersion: unknown }).protocolVersion
      : undefined;
  if (typeof version === 'number' && version !== PROTOCOL_VERSION) {
    throw new ChoraleError(
      'PROTOCOL_MISMATCH',
      `expected protocol version ${PROTOCOL_VERSION}, got ${version}; reload the page`,
    );
  }
  const handshake = parseMessage(handshakeSchema, auth, 'handshake');
  const host = registry.get(handshake.runId);
  return { host, who: host.admit(handshake) };
}

export function serverClosing(): ChoraleError {
  return new ChoraleError('SERVER_CLOSING', 'the server is being stopped; connect again in a while');
}

/** An error as socket.io's middleware takes it: `message` and `data` go to the client as its `connect_error`. */
export function connectError(error: unknown): Error & { data: unknown } {
  const data = wireError(error);
  return Object.assign(new Error(data.message), { data });
}
