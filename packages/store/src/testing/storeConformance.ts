import { beforeEach, describe, expect, it } from 'vitest';
import type { ErrorCode } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { AUDIT_START, verifyAuditChain } from '../auditChain.ts';
import type { EngineRow, Store, StoredUpdate } from '../store.ts';
import { auditEntry, engine, hashOf, invite, record, storedRun, update } from './storeRows.ts';

export function expectCode(code: ErrorCode, act: () => unknown): void {
  let thrown: unknown;
  try {
    act();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ChoraleError);
  expect((thrown as ChoraleError).code).toBe(code);
}

const expectStoreError = (act: () => unknown): void => expectCode('STORE_ERROR', act);

const INITIAL = Float64Array.of(0.1, -0, 1e300);

/** Version n with parameters of its own, as sgd leaves it. */
const adapter = (adapterVersion: number, ...parameters: number[]) => ({
  adapterVersion,
  parameters: Float64Array.from(parameters),
  optimizerState: null,
});

/**
 * What every store must do; a new one calls this in its own test.
 * @param openStore a new, empty store at each call
 */
export function describeStore(name: string, openStore: () => Store): void {
  describe(`the ${name} store`, () => {
    let store: Store;
    beforeEach(() => {
      store = openStore();
      store.createRun(storedRun('run-1'), INITIAL, { ...record(0), cohort: 0, received: 0 });
      store.addContributor('run-1', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
      store.addContributor('run-1', { contributorId: 'bob00000', tokenHash: 'h2', backend: 'webgpu' });
    });

    const accept = (round: number, contributorId: string, ...bytes: number[]): void =>
      store.acceptUpdates('run-1', [update(round, contributorId, Uint8Array.from(bytes))], null);
    const updatesOf = (round: number, runId = 'run-1'): StoredUpdate[] => [...store.eachUpdate(runId, round)];

    describe('runs', () => {
      it('are created with their first adapter and record', () => {
        expect(store.getRun('run-1')).toEqual(storedRun('run-1'));
        expect(store.latestAdapter('run-1')).toEqual({
          adapterVersion: 0,
          parameters: INITIAL,
          optimizerState: null,
        });
        expect(Object.is(store.latestAdapter('run-1').parameters[1], -0)).toBe(true);
        expect(store.listRecords('run-1')).toEqual([{ ...record(0), cohort: 0, received: 0 }]);
        expect(store.getRun('run-2')).toBeUndefined();
        expectStoreError(() => store.createRun(storedRun('run-1'), INITIAL, record(0)));
        expectStoreError(() => store.latestAdapter('run-2'));
      });

      it('are listed oldest first, those of one millisecond as they were created', () => {
        store.createRun(storedRun('run-3', 1000), INITIAL, record(0));
        store.createRun({ ...storedRun('run-2', 500), evaluationSha256: 'e'.repeat(64) }, INITIAL, record(0));
        expect(store.listRuns().map(({ run }) => run.runId)).toEqual(['run-2', 'run-1', 'run-3']);
        expect(store.getRun('run-2')!.evaluationSha256).toBe('e'.repeat(64));
      });

      it('save the state of their engine', () => {
        store.saveEngine('run-1', engine(7));
        expect(store.getRun('run-1')).toMatchObject(engine(7));
        expectStoreError(() => store.saveEngine('run-9', engine(7)));
      });
    });

    describe('contributors', () => {
      it('are kept for each run', () => {
        expect(store.getContributor('run-1', 'alice000')).toEqual({
          contributorId: 'alice000',
          tokenHash: 'h1',
          backend: 'wasm',
          lastRefusal: null,
          rounds: 0,
          chargedRounds: 0,
        });
        store.setBackend('run-1', 'alice000', 'cpu');
        store.setLastRefusals('run-1', new Map([['alice000', 'UPDATE_SIZE']]));
        expect(store.listContributors('run-1')).toMatchObject([
          { contributorId: 'alice000', backend: 'cpu', lastRefusal: 'UPDATE_SIZE' },
          { contributorId: 'bob00000', backend: 'webgpu', lastRefusal: null },
        ]);
        expect(store.getContributor('run-1', 'carol000')).toBeUndefined();
        expect(store.getContributor('run-2', 'alice000')).toBeUndefined();
        expect(store.listContributors('run-2')).toEqual([]);
        const again = { contributorId: 'alice000', tokenHash: 'h9', backend: 'wasm' } as const;
        expectStoreError(() => store.addContributor('run-1', again));
        expectStoreError(() => store.addContributor('run-2', again));
        expectStoreError(() => store.setBackend('run-1', 'carol000', 'cpu'));
        const twoCodes = new Map([
          ['alice000', 'UPDATE_NOT_FINITE'],
          ['carol000', 'UPDATE_SIZE'],
        ] as const);
        expectStoreError(() => store.setLastRefusals('run-1', twoCodes));
        expect(store.getContributor('run-1', 'alice000')).toMatchObject({ lastRefusal: 'UPDATE_SIZE' });
      });

      it('are found by their token, each in their own run', () => {
        store.createRun(storedRun('run-2', 2000), INITIAL, record(0));
        store.addContributor('run-2', { contributorId: 'carol000', tokenHash: 'h1', backend: 'wasm' });
        expect(store.findContributor('run-1', 'h1')).toBe('alice000');
        expect(store.findContributor('run-1', 'h2')).toBe('bob00000');
        expect(store.findContributor('run-2', 'h1')).toBe('carol000');
        expect(store.findContributor('run-2', 'h2')).toBeUndefined();
        expect(store.findContributor('run-9', 'h1')).toBeUndefined();
        store.addInvite('run-1', invite('invite-1'));
        const second = { contributorId: 'dave0000', tokenHash: 'h1', backend: 'wasm' } as const;
        expectStoreError(() => store.addContributor('run-1', second, 'invite-1'));
        expect(store.getContributor('run-1', 'dave0000')).toBeUndefined();
        expect(store.listInvites('run-1')).toMatchObject([{ used: 0 }]);
      });

      it('are charged, and nothing takes a charge back', () => {
        const charge = (charges: Record<string, number[]>, runId = 'run-1') =>
          store.chargeRounds(runId, new Map(Object.entries(charges)));
        accept(2, 'alice000', 3);
        expect(charge({ alice000: [10, 1, 2] })).toBe(2);
        expect(charge({ alice000: [] })).toBe(0);
        expect(charge({ alice000: [1] })).toBe(0);
        expect(charge({})).toBe(0);
        accept(1, 'alice000', 4); // charged before it was accepted
        expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2, 10]);
        expect(store.chargedRounds('run-1', 'bob00000')).toEqual([]);
        expect(store.chargedRounds('run-9', 'alice000')).toEqual([]);
        expect(store.mostChargedRounds('run-1')).toBe(3);
        expect(charge({ alice000: [2], bob00000: [7, 7, 8, 9, 10] })).toBe(4);
        expect(store.mostChargedRounds('run-1')).toBe(4);
        expect(store.listContributors('run-1')).toMatchObject([
          { contributorId: 'alice000', rounds: 2, chargedRounds: 3 },
          { contributorId: 'bob00000', rounds: 0, chargedRounds: 4 },
        ]);
        expect(store.mostChargedRounds('run-9')).toBe(0);
        expectStoreError(() => charge({ alice000: [3], carol000: [1] }));
        expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2, 10]);
        expectStoreError(() => charge({ alice000: [1] }, 'run-9'));
        expectStoreError(() => charge({ carol000: [] }));
      });

      it('have charges and updates of each run for itself', () => {
        store.createRun(storedRun('run-2', 2000), INITIAL, record(0));
        store.addContributor('run-2', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
        store.chargeRounds('run-2', new Map([['alice000', [1, 2, 3, 4, 5]]]));
        accept(1, 'alice000', 3);
        expect(store.mostChargedRounds('run-1')).toBe(1);
        expect(store.mostChargedRounds('run-2')).toBe(5);
        expect(store.listContributors('run-1')).toMatchObject([
          { rounds: 1, chargedRounds: 1 },
          { rounds: 0, chargedRounds: 0 },
        ]);
        expect(store.listContributors('run-2')).toMatchObject([{ rounds: 0, chargedRounds: 5 }]);
        expect(store.receivedContributors('run-2', 1)).toEqual([]);
      });
    });

    describe('updates', () => {
      it('are stored together, with the state of the engine where it changed', () => {
        store.acceptUpdates(
          'run-1',
          [update(1, 'bob00000', Uint8Array.of(1, 2)), update(1, 'alice000', Uint8Array.of(3))],
          engine(2),
        );
        expect(store.getRun('run-1')).toMatchObject(engine(2));
        store.acceptUpdates('run-1', [update(2, 'alice000', Uint8Array.of(4))], null);
        expect(store.getRun('run-1')).toMatchObject(engine(2));
        expect(store.getUpdateHash('run-1', 1, 'bob00000')).toBe(hashOf(Uint8Array.of(1, 2)));
        expect(store.getUpdateHash('run-1', 2, 'bob00000')).toBeUndefined();
        expect(updatesOf(1)).toEqual([
          { contributorId: 'alice000', sha256: hashOf(Uint8Array.of(3)), bytes: Uint8Array.of(3) },
          { contributorId: 'bob00000', sha256: hashOf(Uint8Array.of(1, 2)), bytes: Uint8Array.of(1, 2) },
        ]);
        expect(updatesOf(3)).toEqual([]);
        expect(updatesOf(1, 'run-9')).toEqual([]);
        expect(store.receivedContributors('run-1', 1)).toEqual(['alice000', 'bob00000']);
        expect(store.receivedContributors('run-1', 3)).toEqual([]);
        expect(store.chargedRounds('run-1', 'alice000')).toEqual([1, 2]);
        expect(store.listContributors('run-1').map(({ rounds }) => rounds)).toEqual([2, 1]);
      });

      it('may be none, with a state of the engine that changed', () => {
        store.acceptUpdates('run-1', [], engine(3));
        expect(store.getRun('run-1')).toMatchObject(engine(3));
      });

      it('are all refused when one of them is not new or from a stranger', () => {
        accept(1, 'bob00000', 1);
        const good = update(1, 'alice000', Uint8Array.of(7));
        const refused = (runId: string, ...others: ReturnType<typeof update>[]): void =>
          expectStoreError(() => store.acceptUpdates(runId, [good, ...others], engine(2)));
        refused('run-1', update(1, 'bob00000', Uint8Array.of(2)));
        refused('run-1', update(1, 'carol000', Uint8Array.of(2)));
        refused('run-1', good);
        refused('run-9');
        expect(updatesOf(1).map(({ contributorId }) => contributorId)).toEqual(['bob00000']);
        expect(store.chargedRounds('run-1', 'alice000')).toEqual([]);
        expect(store.getContributor('run-1', 'alice000')).toMatchObject({ rounds: 0, chargedRounds: 0 });
        expect(store.getUpdateHash('run-1', 1, 'bob00000')).toBe(hashOf(Uint8Array.of(1)));
        expect(store.getRun('run-1')!.engineState).toBe('{"n":0}');
      });

      it('lose their bytes with their round where it does not keep them; key, hash and charge stay', () => {
        accept(1, 'alice000', 1);
        accept(1, 'bob00000', 2);
        accept(2, 'alice000', 3);
        store.closeRound('run-1', adapter(1, 1, 2, 3), record(1), engine(2), false);
        expect(updatesOf(1)).toEqual([]);
        expect(updatesOf(2)).toHaveLength(1);
        expect(store.receivedContributors('run-1', 1)).toEqual(['alice000', 'bob00000']);
        expect(store.getUpdateHash('run-1', 1, 'bob00000')).toBe(hashOf(Uint8Array.of(2)));
        expect(store.getContributor('run-1', 'alice000')).toMatchObject({ rounds: 2, chargedRounds: 2 });
        expectStoreError(() => accept(1, 'alice000', 1));
        store.closeRound('run-1', adapter(2, 1, 2, 3), record(2), engine(3), true);
        expect(updatesOf(2)).toHaveLength(1);
      });

      it('lose their bytes with their run, whatever is written at its end, and no other run does', () => {
        store.createRun(storedRun('run-2'), INITIAL, record(0));
        store.addContributor('run-2', { contributorId: 'alice000', tokenHash: 'h1', backend: 'wasm' });
        store.acceptUpdates('run-2', [update(1, 'alice000', Uint8Array.of(9))], null);
        store.closeRound('run-1', adapter(1, 1), record(1), engine(1), true);
        const end: EngineRow = { status: 'stopped', engineState: '{}', dropUpdates: true };
        const ends = [
          () => store.saveEngine('run-1', end),
          () => store.recordEvaluation('run-1', 1, null, end),
          () => store.closeRound('run-1', adapter(2, 1), record(2), end, true),
        ];
        for (const [i, write] of ends.entries()) {
          const round = 10 + i;
          accept(round, 'alice000', 1);
          accept(round, 'bob00000', 2);
          store.saveEngine('run-1', engine(2));
          expect(updatesOf(round)).toHaveLength(2);
          write();
          expect(updatesOf(round)).toEqual([]);
          expect(store.receivedContributors('run-1', round)).toEqual(['alice000', 'bob00000']);
          expect(store.getUpdateHash('run-1', round, 'bob00000')).toBe(hashOf(Uint8Array.of(2)));
          expect(store.getRun('run-1')).toMatchObject({ status: 'stopped', engineState: '{}' });
        }
        expect(updatesOf(1, 'run-2')).toHaveLength(1);
      });

      it('can be left in the middle, and read again', () => {
        accept(1, 'alice000', 1);
        accept(1, 'bob00000', 2);
        const updates = store.eachUpdate('run-1', 1);
        for (const first of updates) {
          expect([...updates].map(({ contributorId }) => contributorId)).toEqual(['alice000', 'bob00000']);
          expect(first.contributorId).toBe('alice000');
          break;
        }
        accept(2, 'bob00000', 3);
        expect([...updates]).toHaveLength(2);
      });

      it('can be read slowly, while others are stored', () => {
        accept(1, 'alice000', 1);
        accept(1, 'bob00000', 2);
        const seen: string[] = [];
        for (const { contributorId } of store.eachUpdate('run-1', 1)) {
          seen.push(contributorId);
          accept(1 + seen.length, 'alice000', 3);
          expectStoreError(() => accept(1, 'alice000', 1));
        }
        expect(seen).toEqual(['alice000', 'bob00000']);
      });
    });

    describe('rounds', () => {
      it('close with adapter, optimizer state, record and engine state', () => {
        const next = { ...adapter(1, 1, 2, 3), optimizerState: Float64Array.of(-0, 1e-300) };
        store.closeRound('run-1', next, record(1), engine(4), true);
        expect(store.latestAdapter('run-1')).toEqual(next);
        expect(Object.is(store.getAdapter('run-1', 1)!.optimizerState![0], -0)).toBe(true);
        expect(store.getAdapter('run-1', 0)!.parameters).toEqual(INITIAL);
        expect(store.getAdapter('run-1', 2)).toBeUndefined();
        expect(store.listRecords('run-1')[1]).toEqual(record(1));
        expect(store.getRun('run-1')).toMatchObject(engine(4));
      });

      it('close all or nothing', () => {
        accept(2, 'alice000', 1);
        store.closeRound('run-1', adapter(1, 1), record(1), engine(4), true);
        // A new adapter with an old record, an old adapter with a new record, a run that is not there.
        expectStoreError(() => store.closeRound('run-1', adapter(2, 1), record(1), engine(5), false));
        expectStoreError(() => store.closeRound('run-1', adapter(1, 1), record(2), engine(5), false));
        expectStoreError(() => store.closeRound('run-9', adapter(1, 1), record(1), engine(5), false));
        expect(store.latestAdapter('run-1').adapterVersion).toBe(1);
        expect(store.listRecords('run-1')).toHaveLength(2);
        expect(updatesOf(2)).toHaveLength(1);
        expect(store.getRun('run-1')).toMatchObject(engine(4));
      });

      it('get test results, with the engine state or without', () => {
        store.recordEvaluation('run-1', 0, { testAccuracy: 0.5, testLoss: 0.7 });
        expect(store.listRecords('run-1')[0]).toMatchObject({ testAccuracy: 0.5, testLoss: 0.7, round: 0 });
        expect(store.getRun('run-1')!.engineState).toBe('{"n":0}');
        store.recordEvaluation('run-1', 0, null, engine(6));
        expect(store.listRecords('run-1')[0]).toMatchObject({ testAccuracy: 0.5 });
        expect(store.getRun('run-1')).toMatchObject(engine(6));
        expectStoreError(() => store.recordEvaluation('run-1', 5, null, engine(7)));
        store.recordEpsilon('run-1', 0, 2.5);
        expect(store.listRecords('run-1')[0]).toMatchObject({ testAccuracy: 0.5, spentEpsilon: 2.5 });
        expectStoreError(() => store.recordEpsilon('run-1', 5, 1));
        expectStoreError(() => store.recordEpsilon('run-9', 0, 1));
        expect(store.getRun('run-1')).toMatchObject(engine(6));
      });
    });

    it('keeps its own copy of bytes and numbers', () => {
      const bytes = Uint8Array.of(1, 2);
      store.acceptUpdates('run-1', [update(1, 'bob00000', bytes)], null);
      bytes.fill(9);
      const parameters = Float64Array.of(1, 2, 3);
      const optimizerState = Float64Array.of(4);
      store.closeRound(
        'run-1',
        { adapterVersion: 1, parameters, optimizerState },
        record(1),
        engine(2),
        true,
      );
      parameters.fill(9);
      optimizerState.fill(9);
      store.latestAdapter('run-1').parameters.fill(8);
      store.latestAdapter('run-1').optimizerState!.fill(8);
      updatesOf(1)[0]!.bytes.fill(8);
      expect(updatesOf(1)[0]!.bytes).toEqual(Uint8Array.of(1, 2));
      expect(store.latestAdapter('run-1').parameters).toEqual(Float64Array.of(1, 2, 3));
      expect(store.latestAdapter('run-1').optimizerState).toEqual(Float64Array.of(4));
    });

    it('stores a part of a larger buffer as that part', () => {
      const whole = Uint8Array.of(7, 7, 1, 2, 7);
      store.acceptUpdates('run-1', [update(1, 'bob00000', whole.subarray(2, 4))], null);
      expect(updatesOf(1)[0]!.bytes).toEqual(Uint8Array.of(1, 2));
      const part = Float64Array.of(9, 1, 2, 3).subarray(1);
      const next = { adapterVersion: 1, parameters: part, optimizerState: part };
      store.closeRound('run-1', next, record(1), engine(2), true);
      expect(store.latestAdapter('run-1').parameters).toEqual(Float64Array.of(1, 2, 3));
      expect(store.latestAdapter('run-1').optimizerState).toEqual(Float64Array.of(1, 2, 3));
    });

    describe('invites', () => {
      const join = (contributorId: string, inviteId: string): void =>
        store.addContributor(
          'run-1',
          { contributorId, tokenHash: `hash of ${contributorId}`, backend: 'wasm' },
          inviteId,
        );
      const find = (inviteId: string, nowMs = 0) => store.findInvite('run-1', `code of ${inviteId}`, nowMs);

      it('are found by their code until they are used up', () => {
        store.addInvite('run-1', invite('invite-1', { uses: 2 }));
        expect(find('invite-1')).toEqual(invite('invite-1', { uses: 2 }));
        join('carol000', 'invite-1');
        expect(find('invite-1')).toMatchObject({ used: 1 });
        join('dave0000', 'invite-1');
        expect(find('invite-1')).toBeUndefined();
        expectCode('INVITE_INVALID', () => join('erin0000', 'invite-1'));
        expect(store.getContributor('run-1', 'erin0000')).toBeUndefined();
        expect(store.listInvites('run-1')).toMatchObject([{ uses: 2, used: 2 }]);
      });

      it('are not used up by whoever cannot be added', () => {
        store.addInvite('run-1', invite('invite-1'));
        expectStoreError(() => join('alice000', 'invite-1'));
        expect(find('invite-1')).toMatchObject({ used: 0 });
        expectCode('INVITE_INVALID', () => join('carol000', 'invite-9'));
        expect(store.getContributor('run-1', 'carol000')).toBeUndefined();
      });

      it('are not found when they expired or were withdrawn, or in another run', () => {
        store.createRun(storedRun('run-2'), INITIAL, record(0));
        store.addInvite('run-1', invite('invite-1', { expiresAt: 100.5 }));
        expect(find('invite-1', 100)).toEqual(invite('invite-1', { expiresAt: 100.5 }));
        expect(find('invite-1', 100.5)).toBeUndefined();
        expect(store.findInvite('run-2', 'code of invite-1', 0)).toBeUndefined();
        store.withdrawInvite('run-1', 'invite-1');
        expect(find('invite-1')).toBeUndefined();
        expectCode('INVITE_INVALID', () => join('carol000', 'invite-1'));
        expect(store.listInvites('run-1')).toEqual([
          invite('invite-1', { expiresAt: 100.5, withdrawn: true }),
        ]);
        expectStoreError(() => store.withdrawInvite('run-2', 'invite-1'));
      });

      it('are listed oldest first, with ids and codes of their own', () => {
        store.addInvite('run-1', invite('invite-2', { createdAt: 5 }));
        store.addInvite('run-1', invite('invite-3', { createdAt: 5 }));
        store.addInvite('run-1', invite('invite-1', { createdAt: 4 }));
        const ids = store.listInvites('run-1').map(({ inviteId }) => inviteId);
        expect(ids).toEqual(['invite-1', 'invite-2', 'invite-3']);
        expect(store.listInvites('run-9')).toEqual([]);
        expectStoreError(() => store.addInvite('run-1', invite('invite-1', { codeHash: 'new' })));
        expectStoreError(() =>
          store.addInvite('run-1', invite('invite-4', { codeHash: 'code of invite-1' })),
        );
        expectStoreError(() => store.addInvite('run-9', invite('invite-1')));
        expect(store.listInvites('run-1')).toHaveLength(3);
      });
    });

    it('keeps one admin token and sessions that expire or end', () => {
      expect(store.getAdminTokenHash()).toBeUndefined();
      store.setAdminTokenHash('one');
      store.setAdminTokenHash('two');
      expect(store.getAdminTokenHash()).toBe('two');
      store.addSession('s1', 100, 0);
      expect(store.hasSession('s1', 99)).toBe(true);
      expect(store.hasSession('s1', 100)).toBe(false);
      expect(store.hasSession('s2', 0)).toBe(false);
      store.addSession('s2', 300, 200);
      expect(store.hasSession('s1', 50)).toBe(false);
      store.addSession('s3', 300, 200);
      store.addSession('s4', 300, 200);
      store.endSession('s2');
      store.endSession('s9');
      expect(['s2', 's3', 's4'].map((hash) => store.hasSession(hash, 200))).toEqual([false, true, true]);
      store.endAllSessions();
      expect(['s2', 's3', 's4'].map((hash) => store.hasSession(hash, 200))).toEqual([false, false, false]);
    });

    it('retires the admin token that another takes the place of, and ends all sessions with it', () => {
      store.replaceAdminToken('one');
      store.addSession('s1', 300, 200);
      expect(['one', 'two'].map((hash) => store.isRetiredAdminToken(hash))).toEqual([false, false]);
      store.replaceAdminToken('two');
      expect([store.getAdminTokenHash(), store.hasSession('s1', 200)]).toEqual(['two', false]);
      expect(['one', 'two'].map((hash) => store.isRetiredAdminToken(hash))).toEqual([true, false]);
      // A start with another token retires none
      store.setAdminTokenHash('three');
      store.replaceAdminToken('four');
      store.replaceAdminToken('three');
      store.replaceAdminToken('five');
      const retired = ['one', 'two', 'three', 'four', 'five'].map((hash) => store.isRetiredAdminToken(hash));
      expect(retired).toEqual([true, false, true, true, false]);
    });

    describe('the audit log', () => {
      it('numbers and chains its entries, and lists them newest first', () => {
        expect(store.listAudit(10, null)).toEqual([]);
        const first = store.appendAudit(auditEntry('one'));
        expect(first).toMatchObject({ ...auditEntry('one'), sequence: 1, previousHash: AUDIT_START });
        const second = store.appendAudit({ ...auditEntry('two'), actor: null, address: null, runId: null });
        expect(second).toMatchObject({ sequence: 2, previousHash: first.hash });
        const third = store.appendAudit(auditEntry('three'));
        expect(store.listAudit(10, null)).toEqual([third, second, first]);
        expect(store.listAudit(2, null)).toEqual([third, second]);
        expect(store.listAudit(2, 3)).toEqual([second, first]);
        expect(store.listAudit(1, 3)).toEqual([second]);
        expect(store.listAudit(10, 1)).toEqual([]);
        expect(store.listAudit(1, 100)).toEqual([third]);
        expect(verifyAuditChain(store.listAudit(10, null))).toEqual({ intact: true });
      });

      it('does not change with what it handed out', () => {
        store.appendAudit(auditEntry('one')).detail = 'other';
        store.listAudit(1, null)[0]!.detail = 'other';
        expect(store.listAudit(1, null)[0]!.detail).toBe('one');
      });
    });

    it('can be asked whether writing works, and nothing changes', () => {
      store.checkWritable();
      store.checkWritable();
      expect(store.getRun('run-1')).toEqual(storedRun('run-1'));
    });

    it('refuses everything after close', () => {
      store.close();
      expectStoreError(() => store.listRuns());
      expectStoreError(() => store.eachUpdate('run-1', 1));
      expectStoreError(() => store.setAdminTokenHash('x'));
      expectStoreError(() => store.saveEngine('run-1', engine(1)));
      expectStoreError(() => store.listAudit(1, null));
      expectStoreError(() => store.checkWritable());
      expectStoreError(() => store.close());
    });
  });
}
