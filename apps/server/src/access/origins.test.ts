import { expect, it } from 'vitest';
import { originRule } from './origins.ts';

const host = 'chorale.example';

it('takes the host that was asked, and what sends no Origin, when no address is named', () => {
  const isOwn = originRule([]);
  expect(isOwn({ host })).toBe(true);
  expect(isOwn({ host, origin: 'https://chorale.example' })).toBe(true);
  for (const origin of [
    'null',
    '',
    'nonsense',
    'https://evil.example',
    'https://chorale.example:8443',
    'https://chorale.example.evil.example',
    'https://evil.example/https://chorale.example',
  ]) {
    expect([origin, isOwn({ host, origin })]).toEqual([origin, false]);
  }
});

it('takes only the addresses that are named, whatever host a request claims to be for', () => {
  const isOwn = originRule(['https://chorale.example', 'https://www.chorale.example']);
  expect(isOwn({ host: '127.0.0.1:8788', origin: 'https://chorale.example' })).toBe(true);
  expect(isOwn({ host: '127.0.0.1:8788', origin: 'https://www.chorale.example' })).toBe(true);
  expect(isOwn({ host: '127.0.0.1:8788' })).toBe(true);
  // Another scheme is another page; and DNS rebinding makes a foreign page's host the one that was asked
  expect(isOwn({ host, origin: 'http://chorale.example' })).toBe(false);
  expect(isOwn({ host: 'evil.example', origin: 'http://evil.example' })).toBe(false);
});
