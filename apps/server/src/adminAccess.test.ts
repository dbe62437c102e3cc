import { describe, expect, it } from 'vitest';
import type { AuditedAct } from '@chorale/protocol';
import { testAccess } from './access/access.fixture.ts';
import { DEFAULT_LIMITS } from './access/limits.ts';
import { SESSION_SECONDS, openAdminAccess, shortName } from './adminAccess.ts';
import { hashToken } from './identity.ts';
import { problemsOf, recordedLog } from './testing/recordedLog.ts';

const address = '203.0.113.9';
const bearer = (token: string) => ({ authorization: `Bearer ${token}`, address });

function open(now: () => number = Date.now) {
  const { access, store } = testAccess({ now });
  const acts = (): AuditedAct[] => access.audit.list(100, null).map(({ act }) => act);
  return { admin: access.admin, audit: access.audit, store, acts };
}

describe('signing in', () => {
  it('gives a session, of which only the hash is stored, until it expires', () => {
    let nowMs = 1e12;
    const { admin, store, acts } = open(() => nowMs);
    const session = admin.signIn('the-token', address);
    expect(store.hasSession(hashToken(session), nowMs)).toBe(true);
    expect(store.hasSession(session, nowMs)).toBe(false);
    expect(admin.actorOf({ session, address })).toBe(shortName(session));
    nowMs += SESSION_SECONDS * 1000 - 1;
    expect(admin.actorOf({ session, address })).not.toBeNull();
    nowMs += 2;
    expect(admin.actorOf({ session, address })).toBeNull();
    expect(acts()).toEqual(['sign-in', 'server-start']);
  });

  it('is refused with a wrong token, written down, and stopped when there are too many', () => {
    let nowMs = 1e12;
    const { admin, acts } = open(() => nowMs);
    const most = DEFAULT_LIMITS.signInsPerMinutePerAddress;
    for (let k = 0; k < most; k++) {
      expect(() => admin.signIn(`guess ${k}`, address)).toThrow(
        expect.objectContaining({ code: 'ADMIN_REQUIRED' }),
      );
    }
    // The right one too: whoever guesses must not learn it
    const limited: unknown = expect.objectContaining({ code: 'RATE_LIMITED', retryable: true });
    expect(() => admin.signIn('the-token', address)).toThrow(limited);
    expect(() => admin.actorOf(bearer('the-token'))).toThrow(limited);
    expect(admin.signIn('the-token', '198.51.100.1')).toBeTypeOf('string');
    nowMs += 60_000 / most;
    expect(admin.signIn('the-token', address)).toBeTypeOf('string');
    expect(acts().filter((act) => act === 'sign-in-refused')).toHaveLength(most);
  });

  it('counts wrong bearer tokens the same way, and says nothing of them but where they came from', () => {
    const { admin, audit } = open();
    expect(admin.actorOf(bearer('the-token'))).toBe(shortName('the-token'));
    expect(admin.actorOf(bearer('another'))).toBeNull();
    expect(admin.actorOf({ authorization: 'the-token', address })).toBeNull();
    expect(admin.actorOf({ session: 'made up', address })).toBeNull();
    const [last] = audit.list(1, null);
    expect(last).toMatchObject({ act: 'sign-in-refused', actor: null, address, detail: '' });
  });

  it('lets strangers fill neither the audit log nor its order', () => {
    const { admin, acts } = open(() => 1e12);
    for (let k = 0; k < 2_000; k++) {
      const from = `10.0.${k >> 8}.${k & 255}`;
      expect(admin.actorOf({ authorization: 'Bearer wrong', address: from })).toBeNull();
    }
    const refusals = Array.from({ length: 200 }, () => 'sign-in-refused');
    expect(acts()).toEqual(refusals.slice(0, 100));
    const { audit } = open(() => 1e12);
    expect(audit.list(500, null)).toHaveLength(1);
  });
});

describe('ending it', () => {
  it('by signing out: this session, at once', () => {
    const { admin, acts } = open();
    const [one, other] = [admin.signIn('the-token', address), admin.signIn('the-token', address)];
    let told = 0;
    admin.onEnded(() => told++);
    admin.signOut(one, address);
    admin.signOut('made up', address);
    expect([admin.actorOf({ session: one, address }), told]).toEqual([null, 1]);
    expect(admin.holds({ session: one, address })).toBe(false);
    expect(admin.actorOf({ session: other, address })).toBe(shortName(other));
    expect(acts()).toEqual(['sign-out', 'sign-in', 'sign-in', 'server-start']);
  });

  it('by a new token: the old one and every other session', () => {
    const { admin, acts, store } = open();
    const [mine, other] = [admin.signIn('the-token', address), admin.signIn('the-token', address)];
    let told = 0;
    admin.onEnded(() => told++);
    const token = admin.rotate({ session: mine, address });
    expect(told).toBe(1);
    expect(admin.holds({ session: mine, address })).toBe(true);
    expect(admin.holds({ session: other, address })).toBe(false);
    expect(admin.holds(bearer('the-token'))).toBe(false);
    expect(admin.holds(bearer(token))).toBe(true);
    expect(store.getAdminTokenHash()).toBe(hashToken(token));
    expect(acts()[0]).toBe('token-rotated');
    // By a program: no session stays
    const next = admin.rotate(bearer(token));
    expect(admin.holds({ session: mine, address })).toBe(false);
    expect(admin.holds(bearer(token))).toBe(false);
    expect(admin.holds(bearer(next))).toBe(true);
    expect(() => admin.rotate(bearer(token))).toThrow(expect.objectContaining({ code: 'ADMIN_REQUIRED' }));
  });

  const start = (token: string, { audit, store }: ReturnType<typeof open>, tokenIsSet = true) => {
    const { log, lines } = recordedLog();
    const more = { log, tokenIsSet, signInsPerMinutePerAddress: 30 };
    return { admin: openAdminAccess(token, { store, audit, ...more }), lines };
  };

  it('at a start with another token: the old token ends, and so do sessions when the operator set it', () => {
    const opened = open();
    const session = opened.admin.signIn('the-token', address);
    const printed = start('new-token', opened, false).admin;
    expect(printed.holds({ session, address })).toBe(true);
    expect(printed.holds(bearer('the-token'))).toBe(false);
    expect(printed.holds(bearer('new-token'))).toBe(true);
    const same = start('new-token', opened).admin;
    expect(same.holds({ session, address })).toBe(true);
    const set = start('chosen-token', opened).admin;
    expect(set.holds({ session, address })).toBe(false);
    expect(set.holds(bearer('chosen-token'))).toBe(true);
  });

  it('for ever, of a token that an admin replaced: a start with it keeps the newer one, and says so', () => {
    const opened = open();
    const rotated = opened.admin.rotate(bearer('the-token'));
    const session = opened.admin.signIn(rotated, address);
    const { admin, lines } = start('the-token', opened);
    expect(admin.holds(bearer('the-token'))).toBe(false);
    expect(() => admin.signIn('the-token', address)).toThrow(
      expect.objectContaining({ code: 'ADMIN_REQUIRED' }),
    );
    expect([admin.holds(bearer(rotated)), admin.holds({ session, address })]).toEqual([true, true]);
    expect(problemsOf(lines).join()).toMatch(/CHORALE_ADMIN_TOKEN is a token that an admin has replaced/);
    // The one that was made may be set too
    expect(start(rotated, opened).lines).toEqual([]);
  });
});
