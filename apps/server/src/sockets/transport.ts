import type { Socket } from 'socket.io';

/** What engine.io and ws keep of a connection, as far as it is used here; they declare some of it private. */
type Internals = {
  writeBuffer?: { data?: unknown }[];
  transport?: { socket?: { bufferedAmount?: unknown; terminate?: () => void } };
};

/**
 * How many bytes wait in this process because a client does not read: in ws and the socket below it, and in engine.io's
 * queue behind them.
 */
export function unreadBytes(connection: Socket['conn']): number {
  const { writeBuffer = [], transport } = connection as unknown as Internals;
  const buffered = transport?.socket?.bufferedAmount;
  let bytes = typeof buffered === 'number' ? buffered : 0;
  for (const { data } of writeBuffer) bytes += sizeOf(data);
  return bytes;
}

/** Size of what a packet carries: text counts a byte a character. */
export function sizeOf(data: unknown): number {
  if (typeof data === 'string') return data.length;
  return data instanceof Uint8Array || data instanceof ArrayBuffer ? data.byteLength : 0;
}

/** Ends a WebSocket without its closing handshake. */
export function terminate(connection: Socket['conn']): void {
  (connection as unknown as Internals).transport?.socket?.terminate?.();
}
