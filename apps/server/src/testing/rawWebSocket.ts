import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** Opcodes of RFC 6455. */
export const TEXT = 1;
export const BINARY = 2;

/**
 * One WebSocket frame as a client sends it (RFC 6455, 5.2), masked. What a test wants to be wrong about it is said.
 * @param declaredBytes length that its header claims; that of the payload when not given
 */
export function frame(
  opcode: number,
  payload: Uint8Array,
  { final = true, masked = true, reserved = 0, declaredBytes = payload.length } = {},
): Buffer {
  const first = (final ? 0x80 : 0) | (reserved << 4) | opcode;
  const maskBit = masked ? 0x80 : 0;
  let header: Buffer;
  if (declaredBytes < 126) header = Buffer.from([first, maskBit | declaredBytes]);
  else if (declaredBytes < 65_536) {
    header = Buffer.alloc(4);
    header.set([first, maskBit | 126]);
    header.writeUInt16BE(declaredBytes, 2);
  } else {
    header = Buffer.alloc(10);
    header.set([first, maskBit | 127]);
    header.writeBigUInt64BE(BigInt(declaredBytes), 2);
  }
  if (!masked) return Buffer.concat([header, payload]);
  const mask = randomBytes(4);
  const body = Buffer.from(payload);
  for (let i = 0; i < body.length; i++) body[i] = body[i]! ^ mask[i % 4]!;
  return Buffer.concat([header, mask, body]);
}

export const text = (content: string): Buffer => frame(TEXT, Buffer.from(content));
export const binary = (content: Uint8Array): Buffer => frame(BINARY, content);

/** Of what comes only the beginning is looked at. */
const KEPT_CHARACTERS = 4_000_000;

/** A TCP connection on which a test writes what it likes, as a WebSocket after `upgrade`. */
export class RawWebSocket {
  readonly tcp: Socket;
  /** Everything that came, as bytes. */
  received = '';
  closed = false;
  readonly #ended: Promise<void>;

  /** @param url of the server, as "http://127.0.0.1:8788/" */
  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.tcp = connect(Number(port), hostname);
    this.tcp.on('data', (data: Buffer) => {
      if (this.received.length < KEPT_CHARACTERS) this.received += data.toString('latin1');
    });
    this.tcp.on('error', () => undefined);
    this.#ended = new Promise((resolve) => {
      this.tcp.once('close', () => {
        this.closed = true;
        resolve();
      });
    });
  }

  /** Asks for a WebSocket; resolves with the first line of the answer, "" when there was none. */
  async upgrade(headers: Record<string, string> = {}): Promise<string> {
    const all = {
      host: 'server',
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
    this.write(`GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    await this.until('\r\n\r\n');
    return this.received.split('\r\n')[0]!;
  }

  /** Opens a socket.io socket in a namespace; true when the server let it in. */
  async join(namespace: string, auth: unknown): Promise<boolean> {
    await this.upgrade();
    this.write(text(`40${namespace},${JSON.stringify(auth)}`));
    await this.until(`${namespace},`);
    return this.received.includes(`40${namespace},`);
  }

  write(data: string | Uint8Array): void {
    if (!this.tcp.destroyed) this.tcp.write(data);
  }

  /** Waits for something in what came, for the end of the connection, or for so long. */
  async until(content: string, timeoutMs = 2_000): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (!this.received.includes(content)) {
      if (this.closed || Date.now() > end) return false;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return true;
  }

  /** Waits for the server to end the connection. @returns whether it did, in that time */
  async cut(timeoutMs = 2_000): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#ended, late]);
    clearTimeout(timer);
    return this.closed;
  }

  end(): void {
    this.tcp.destroy();
  }
}
