import { expect, test } from 'vitest';
import type { Invite } from '@chorale/protocol';
import { inviteState } from './inviteState.ts';

const OPEN: Invite = {
  inviteId: 'abcdef0123456789',
  note: '',
  createdAt: 0,
  expiresAt: 1000,
  uses: 2,
  used: 1,
  withdrawn: false,
};

test('an invite is open until it is used up, expired or withdrawn', () => {
  expect(inviteState(OPEN, 999)).toBe('open');
  expect(inviteState(OPEN, 1000)).toBe('expired');
  expect(inviteState({ ...OPEN, expiresAt: null }, 1e15)).toBe('open');
  expect(inviteState({ ...OPEN, used: 2 }, 1000)).toBe('used');
  expect(inviteState({ ...OPEN, withdrawn: true, used: 2 }, 0)).toBe('withdrawn');
});
