import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { addressReader, limitKey, networkKey } from './clientAddress.ts';

const request = (remoteAddress: string | undefined, forwarded?: string) =>
  ({
    socket: { remoteAddress },
    headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded },
  }) as unknown as IncomingMessage;

describe('whom a request came from', () => {
  it('is the connection, whatever a header says, when no proxy is trusted', () => {
    const addressOf = addressReader(false);
    expect(addressOf(request('203.0.113.9', '1.1.1.1'))).toBe('203.0.113.9');
    expect(addressOf(request('::ffff:203.0.113.9', '1.1.1.1'))).toBe('203.0.113.9');
    expect(addressOf(request(undefined, '1.1.1.1'))).toBe('unknown');
  });

  it('is what the last of so many proxies saw, not what the client wrote before it', () => {
    const addressOf = addressReader(1);
    expect(addressOf(request('127.0.0.1', '6.6.6.6, 203.0.113.9'))).toBe('203.0.113.9');
    expect(addressReader(2)(request('127.0.0.1', '6.6.6.6, 203.0.113.9, 10.0.0.2'))).toBe('203.0.113.9');
    expect(addressOf(request('127.0.0.1'))).toBe('127.0.0.1');
  });

  it('is the first that is no proxy of these networks', () => {
    const addressOf = addressReader(['loopback', '10.0.0.0/8']);
    expect(addressOf(request('127.0.0.1', '6.6.6.6, 203.0.113.9, 10.1.2.3'))).toBe('203.0.113.9');
    // Somebody who reaches the server past the proxies
    expect(addressOf(request('203.0.113.7', '1.1.1.1'))).toBe('203.0.113.7');
  });

  it('comes with one word about a proxy that was forgotten, and none about strangers', () => {
    const told: string[] = [];
    const addressOf = addressReader(['127.0.0.1'], (proxy) => told.push(proxy));
    addressOf(request('203.0.113.7', '1.1.1.1'));
    addressOf(request('172.17.0.1'));
    addressOf(request('127.0.0.1', '1.1.1.1'));
    expect(told).toEqual([]);
    for (let k = 0; k < 3; k++) addressOf(request('::ffff:172.17.0.1', '1.1.1.1'));
    expect(told).toEqual(['172.17.0.1']);
  });

  it('stays short, however long the header', () => {
    expect(addressReader(1)(request('127.0.0.1', 'x'.repeat(9_000))).length).toBeLessThanOrEqual(64);
  });
});

describe('what limits count by', () => {
  it.each([
    ['203.0.113.9', '203.0.113.9'],
    ['unknown', 'unknown'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff::1', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is %s', (address, key) => {
    expect(limitKey(address)).toBe(key);
    expect(networkKey(address)).toBe(key.includes('::/64') ? key.replace(/:[^:]+::\/64/, '::/48') : null);
  });
});
