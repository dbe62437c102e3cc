import { beforeEach, describe, expect, test } from 'vitest';
import type { InvitePlace } from './invite.ts';
import { forgetInvite, onInvitePasted, takeInvite } from './invite.ts';

const CODE = 'an-invite-code-of-enough-letters';

let kept: Map<string, string>;
let address: URL;
let replaced: string[];
const place = (storage: Partial<InvitePlace['sessionStorage']> = {}): InvitePlace => ({
  location: address,
  history: {
    state: null,
    replaceState: (_state, _title, url) => {
      replaced.push(String(url));
      address = new URL(String(url), address);
    },
  },
  sessionStorage: {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    ...storage,
  },
});

beforeEach(() => {
  kept = new Map();
  address = new URL(`https://chorale.example/?run=run-1#invite=${CODE}`);
  replaced = [];
});

test('an invite leaves the address bar and stays with the tab until it has joined', () => {
  expect(takeInvite(place())).toBe(CODE);
  expect(address.href).toBe('https://chorale.example/?run=run-1');
  // After a reload
  expect(takeInvite(place())).toBe(CODE);
  forgetInvite(place());
  expect(takeInvite(place())).toBeNull();
});

test('a newer invite takes the place of the one that was kept', () => {
  takeInvite(place());
  address = new URL('https://chorale.example/?run=run-1#invite=another-code-of-enough-letters');
  expect(takeInvite(place())).toBe('another-code-of-enough-letters');
  expect(takeInvite(place())).toBe('another-code-of-enough-letters');
});

test('an invite to one run is none to another', () => {
  takeInvite(place());
  address = new URL('https://chorale.example/?run=run-2');
  expect(takeInvite(place())).toBeNull();
  address = new URL('https://chorale.example/?run=run-1');
  expect(takeInvite(place())).toBe(CODE);
});

describe('a link pasted into an open tab', () => {
  test.each([
    ['begins the page again with its invite', false, 1, CODE],
    ['changes nothing for whoever takes part', true, 0, null],
  ])('%s', (_, takesPart, loads, kept) => {
    let reloads = 0;
    onInvitePasted(place(), { takesPart: () => takesPart, reload: () => (reloads += 1) });
    expect(reloads).toBe(loads);
    expect(address.hash).toBe('');
    expect(takeInvite(place())).toBe(kept);
  });

  test('without an invite does nothing', () => {
    address = new URL('https://chorale.example/?run=run-1#content');
    const reload = () => expect.unreachable();
    onInvitePasted(place(), { takesPart: () => false, reload });
    expect(replaced).toEqual([]);
  });
});

test('an address without one is left alone', () => {
  address = new URL('https://chorale.example/#content');
  expect(takeInvite(place())).toBeNull();
  expect(replaced).toEqual([]);
});

test('a browser that keeps nothing lets the invite through', () => {
  const refuse = () => {
    throw new DOMException('blocked', 'SecurityError');
  };
  const blocked = { getItem: refuse, setItem: refuse, removeItem: refuse };
  expect(takeInvite(place(blocked))).toBe(CODE);
  forgetInvite(place(blocked));
  expect(takeInvite(place(blocked))).toBeNull();
});
