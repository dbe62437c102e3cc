/**
 * How much one address or one connection may ask for. Every limit is a token bucket: so much at once, so much per time
 * after that. They are set for many people behind one address (a class room, a university's NAT, many tabs of one
 * machine) and still bound what one machine can take; docs/security.md has the reasons for each number.
 */
export type Limits = {
  /** Open WebSockets of all addresses together. */
  connections: number;
  /** Open WebSockets of one address. Each may hold one message of the largest size in memory. */
  connectionsPerAddress: number;
  /** New contributors that one address may make in an hour; who comes back with an identity does not count. */
  joinsPerAddressPerHour: number;
  /** Events of one socket, ten seconds' worth at once. */
  messagesPerSecond: number;
  /** Bytes that one socket may send; never less than a few of the largest updates. */
  bytesPerMinute: number;
  /** HTTP requests of one address, WebSocket handshakes among them. */
  requestsPerMinutePerAddress: number;
  /** Wrong admin tokens from one address. At the limit no token is looked at; who is signed in already stays so. */
  signInsPerMinutePerAddress: number;
};

export const DEFAULT_LIMITS: Limits = {
  connections: 12_000,
  connectionsPerAddress: 512,
  joinsPerAddressPerHour: 600,
  messagesPerSecond: 20,
  bytesPerMinute: 64 * 2 ** 20,
  requestsPerMinutePerAddress: 6_000,
  signInsPerMinutePerAddress: 30,
};
