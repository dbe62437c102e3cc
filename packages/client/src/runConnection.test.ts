import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { ChoraleError, PROTOCOL_VERSION } from '@chorale/protocol';
import type { Retry } from './runConnection.ts';
import { RunConnection, deliveryTimeoutMs } from './runConnection.ts';
import { newToken } from './newToken.ts';
import { ScriptedServer, publicRun, until } from './testing/scriptedServer.ts';

let server: ScriptedServer;
let connection: RunConnection;
let retries: Retry[];

beforeEach(async () => {
  server = new ScriptedServer(await publicRun());
  // Its pings go by real time, the client's patience by that of the test
  server.pingTimeoutMs = 600_000;
  await server.start();
  retries = [];
  const nothing = () => undefined;
  const handshake = { protocolVersion: PROTOCOL_VERSION, runId: 'run-1', newToken: newToken() };
  connection = new RunConnection(server.url, () => Promise.resolve(handshake), {
    onConnected: nothing,
    onDisconnected: (retry) => retries.push(retry),
    onRefused: nothing,
    onReplaced: nothing,
    onRoundStart: nothing,
    onRoundEnd: nothing,
    onRecord: nothing,
    onRunState: nothing,
    onInvalid: nothing,
  });
});
afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  connection.close();
  await server.stop();
});

/** Lets time go by for timers, and whatever they cause happen. */
async function pass(durationMs: number): Promise<void> {
  for (let leftMs = durationMs; leftMs > 0; leftMs -= 2_000) {
    vi.advanceTimersByTime(Math.min(leftMs, 2_000));
    for (let i = 0; i < 20; i++) await turn();
  }
}

/** Turns of the event loop, since timers stand still. */
async function opened(): Promise<void> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  connection.open();
  while (!connection.connected) await turn();
}

test('an update is waited for as long as its bytes take on a slow line', async () => {
  await opened();
  server.answerUpdate = () => null;
  let outcome: unknown = null;
  // 20 s, and 590 000 bytes at 8 a millisecond
  const limitMs = 20_000 + 73_750;
  void connection.sendUpdate(1, new Uint8Array(590_000)).catch((error: unknown) => {
    outcome = error;
  });
  expect(connection.transferring).toBe(true);
  await pass(limitMs - 1_000);
  expect([outcome, server.updates.length, connection.connected]).toEqual([null, 1, true]);
  await pass(1_000);
  expect(outcome).toMatchObject({
    code: 'TIMEOUT',
    message: 'The server did not answer "update" in 94 s.',
  });
  expect(connection.transferring).toBe(false);
  // When the run is over, nobody gives up before that
  expect(deliveryTimeoutMs(590_000)).toBe(120_000 + limitMs);
});

test('delays go on growing where connections do not last, and start anew after one that did', async () => {
  vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => {
    new Uint8Array((array as Uint8Array).buffer).fill(0xff);
    return array;
  });
  const delayAfter = async (lastsMs: number) => {
    await opened();
    connection.settled();
    await pass(lastsMs);
    const nowMs = Date.now();
    connection.failed(new ChoraleError('DISCONNECTED', 'it broke'));
    return retries.at(-1)!.nextTryAtMs! - nowMs;
  };
  for (const expectedMs of [1_000, 2_000, 4_000]) {
    expect(await delayAfter(9_000)).toBeGreaterThan(expectedMs * 0.99);
    expect(retries.at(-1)!.nextTryAtMs! - Date.now()).toBeLessThanOrEqual(expectedMs);
    vi.useRealTimers();
    await until(() => server.connections === 0, 'the connection to close');
  }
  expect(await delayAfter(10_000)).toBeLessThanOrEqual(1_001);
});
