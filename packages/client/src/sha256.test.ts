import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256Hex } from '@chorale/protocol';
import { Sha256 } from './sha256.ts';

const hashOf = (...stretches: Uint8Array[]) => {
  const hash = new Sha256();
  for (const stretch of stretches) hash.update(stretch);
  return hash.digest();
};

const bytesOf = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) % 251);

test('is SHA-256 for every length of the last blocks', async () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = bytesOf(length);
    expect([length, hashOf(bytes)]).toEqual([length, await sha256Hex(bytes)]);
  }
});

test('does not depend on how the bytes are cut', async () => {
  const bytes = bytesOf(1000);
  const expected = await sha256Hex(bytes);
  for (let at = 0; at <= 200; at++) {
    const cut = [bytes.subarray(0, at), bytes.subarray(at, at + 77), bytes.subarray(at + 77)];
    expect([at, hashOf(...cut)]).toEqual([at, expected]);
  }
  expect(hashOf(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(expected);
});

test('counts more bits than 32 bits can', () => {
  const [ours, reference] = [new Sha256(), createHash('sha256')];
  const part = bytesOf(2 ** 24);
  // 2^32 bits, and a few more
  for (const bytes of [...Array.from({ length: 32 }, () => part), Uint8Array.of(1, 2, 3)]) {
    ours.update(bytes);
    reference.update(bytes);
  }
  expect(ours.digest()).toBe(reference.digest('hex'));
}, 60_000);
