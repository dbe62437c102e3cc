import { expect, it } from 'vitest';
import { OpenConnections } from './openConnections.ts';

it('has room for so many of an address, and again when one ends', () => {
  const open = new OpenConnections({ perAddress: 2, inAll: 100 });
  const ends = [open.add('203.0.113.9'), open.add('203.0.113.9')];
  expect([open.hasRoom('203.0.113.9'), open.hasRoom('203.0.113.10')]).toEqual([false, true]);
  ends[0]!();
  expect(open.hasRoom('203.0.113.9')).toBe(true);
  open.add('203.0.113.9');
  expect(open.hasRoom('203.0.113.9')).toBe(false);
});

it('has room for so many in all', () => {
  const open = new OpenConnections({ perAddress: 2, inAll: 3 });
  const ends = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => open.add(address));
  expect(open.hasRoom('10.0.0.4')).toBe(false);
  ends[1]!();
  expect(open.hasRoom('10.0.0.4')).toBe(true);
});

it('counts IPv6 by /64, and eight of those in one /48', () => {
  const open = new OpenConnections({ perAddress: 2, inAll: 1_000 });
  open.add('2001:db8:7:1::1');
  const end = open.add('2001:db8:7:1:ffff::2');
  expect([open.hasRoom('2001:db8:7:1::3'), open.hasRoom('2001:db8:7:2::3')]).toEqual([false, true]);
  for (let k = 0; k < 14; k++) open.add(`2001:db8:7:${(k + 10).toString(16)}::1`);
  expect([open.hasRoom('2001:db8:7:2::3'), open.hasRoom('2001:db8:8:2::3')]).toEqual([false, true]);
  end();
  expect(open.hasRoom('2001:db8:7:2::3')).toBe(true);
});
