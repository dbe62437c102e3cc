import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ChoraleError, ERROR_CODES } from '@chorale/protocol';
import { openMemoryStore } from './memoryStore.ts';
import { openSqliteStore } from './sqliteStore.ts';
import type { Store } from './store.ts';
import { auditEntry, engine, invite, record, storedRun, update } from './testing/storeRows.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'chorale-walk-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Numbers that look random and follow from the seed: mulberry32, public domain. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

// Few of each, so that what must be new often is not, and what must be there often is not
const RUNS = ['run-1', 'run-2', 'run-3'];
const CONTRIBUTORS = ['alice000', 'bob00000', 'carol000', 'dave0000', 'Erin0000', 'élan0000'];
const ROUNDS = 5;
const CODES = Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[];

type Step = { name: string; act: (store: Store) => unknown };

/** One call, the same for every store; what it takes was drawn before. */
function stepOf(random: (below: number) => number): Step {
  const pick = <T>(values: readonly T[]): T => values[random(values.length)]!;
  const runId = pick(RUNS);
  const contributorId = pick(CONTRIBUTORS);
  const round = 1 + random(ROUNDS);
  const n = random(1000);
  const drawn = (length: number): Float64Array => Float64Array.from({ length }, () => random(1e6) / 7);
  const inviteId = `invite-${random(4)}`;
  const steps: Record<string, () => (store: Store) => unknown> = {
    createRun: () => {
      const parameters = drawn(3);
      const createdAtMs = random(3);
      return (store) => store.createRun(storedRun(runId, createdAtMs), parameters, record(0));
    },
    saveEngine: () => (store) => store.saveEngine(runId, engine(n)),
    addContributor: () => {
      const withInvite = random(3) === 0;
      // Now and then the token of somebody else
      const contributor = { contributorId, tokenHash: `h${n % 20}`, backend: 'wasm' } as const;
      return (store) =>
        withInvite
          ? store.addContributor(runId, contributor, inviteId)
          : store.addContributor(runId, contributor);
    },
    setBackend: () => (store) => store.setBackend(runId, contributorId, n % 2 === 0 ? 'cpu' : 'webgpu'),
    setLastRefusals: () => {
      const codes = new Map(Array.from({ length: 1 + random(3) }, () => [pick(CONTRIBUTORS), pick(CODES)]));
      return (store) => store.setLastRefusals(runId, codes);
    },
    chargeRounds: () => {
      const rounds = () => Array.from({ length: random(6) }, () => 1 + random(12));
      const charges = new Map(Array.from({ length: 1 + random(3) }, () => [pick(CONTRIBUTORS), rounds()]));
      return (store) => store.chargeRounds(runId, charges);
    },
    recordEpsilon: () => (store) => store.recordEpsilon(runId, round, n / 7),
    acceptUpdates: () => {
      const updates = Array.from({ length: 1 + random(2) }, () => {
        const bytes = Uint8Array.from({ length: random(3) === 0 ? 40_000 : random(50) }, (_, at) => at + n);
        return update(1 + random(ROUNDS), pick(CONTRIBUTORS), bytes);
      });
      const state = random(2) === 0 ? engine(n) : null;
      return (store) => store.acceptUpdates(runId, updates, state);
    },
    closeRound: () => {
      const optimizerState = random(2) === 0 ? drawn(2) : null;
      const adapter = { adapterVersion: 1 + random(8), parameters: drawn(3), optimizerState };
      const keepUpdates = random(2) === 0;
      return (store) => store.closeRound(runId, adapter, record(round), engine(n), keepUpdates);
    },
    recordEvaluation: () => {
      const metrics = random(3) === 0 ? null : { testAccuracy: n / 1000, testLoss: n / 3 };
      const state = random(2) === 0 ? engine(n) : undefined;
      return (store) => store.recordEvaluation(runId, round - 1, metrics, state);
    },
    addInvite: () => {
      const changes = { uses: 1 + random(3), createdAt: random(4), expiresAt: random(2) === 0 ? null : n };
      return (store) => store.addInvite(runId, invite(inviteId, changes));
    },
    findInvite: () => (store) => store.findInvite(runId, `code of ${inviteId}`, random(1)),
    withdrawInvite: () => (store) => store.withdrawInvite(runId, inviteId),
    setAdminTokenHash: () => (store) => {
      if (n % 3 === 0 && n < 200) store.replaceAdminToken(`token ${n % 20}`);
      else store.setAdminTokenHash(`token ${n % 20}`);
    },
    addSession: () => (store) => store.addSession(`s${n % 5}`, n, n / 2),
    endSession: () => (store) => store.endSession(`s${n % 5}`),
    endAllSessions: () => (store) => {
      if (n < 200) store.endAllSessions();
    },
    appendAudit: () => (store) => store.appendAudit(auditEntry(`entry ${n}`)),
    checkWritable: () => (store) => store.checkWritable(),
  };
  const name = pick(Object.keys(steps));
  return { name, act: steps[name]!() };
}

/** All that a store can tell. */
function everythingIn(store: Store): unknown {
  return {
    runs: store.listRuns(),
    audit: store.listAudit(1000, null),
    someAudit: store.listAudit(3, 5),
    token: store.getAdminTokenHash(),
    retired: Array.from({ length: 20 }, (_, k) => store.isRetiredAdminToken(`token ${k}`)),
    sessions: [0, 1, 2, 3, 4].map((k) => [100, 500].map((nowMs) => store.hasSession(`s${k}`, nowMs))),
    ofRuns: RUNS.map((runId) => ({
      run: store.getRun(runId),
      contributors: store.listContributors(runId),
      each: CONTRIBUTORS.map((id) => [store.getContributor(runId, id), store.chargedRounds(runId, id)]),
      most: store.mostChargedRounds(runId),
      holders: Array.from({ length: 20 }, (_, k) => store.findContributor(runId, `h${k}`)),
      records: store.listRecords(runId),
      adapters: Array.from({ length: 10 }, (_, version) => store.getAdapter(runId, version)),
      latest: outcomeOf(() => store.latestAdapter(runId)),
      invites: store.listInvites(runId),
      found: [0, 500].map((nowMs) => store.findInvite(runId, 'code of invite-1', nowMs)),
      rounds: Array.from({ length: ROUNDS + 2 }, (_, round) => ({
        received: store.receivedContributors(runId, round),
        hashes: CONTRIBUTORS.map((id) => store.getUpdateHash(runId, round, id)),
        // Their hashes stand for the bytes, which take long to compare
        updates: [...store.eachUpdate(runId, round)].map(
          (one) => ({ ...one, ...update(0, '', one.bytes) }).sha256,
        ),
      })),
    })),
  };
}

/** What a call gave, or the code it was refused with. */
function outcomeOf(act: () => unknown): unknown {
  try {
    return { value: act() };
  } catch (error) {
    if (error instanceof ChoraleError) return { code: error.code };
    throw error;
  }
}

it.each([1, 2, 3, 4, 5, 6])(
  'the stores agree after every step of walk %i, also when one is opened anew',
  (seed) => {
    const random = randomOf(seed);
    const memory = openMemoryStore();
    const path = join(directory, 'test.sqlite');
    let sqlite = openSqliteStore(path);
    const outcomes = new Map<string, Set<string>>();
    for (let k = 0; k < 400; k += 1) {
      const { name, act } = stepOf(random);
      const expected = outcomeOf(() => act(memory));
      const got = outcomeOf(() => act(sqlite));
      expect({ k, name, outcome: got }).toEqual({ k, name, outcome: expected });
      const kind = (expected as { code?: string }).code ?? 'ok';
      outcomes.set(name, (outcomes.get(name) ?? new Set()).add(kind));
      if (random(20) === 0) {
        sqlite.close();
        sqlite = openSqliteStore(path);
      }
      if (k % 4 > 0) continue;
      expect({ k, name, now: everythingIn(sqlite) }).toEqual({ k, name, now: everythingIn(memory) });
    }
    expect(everythingIn(sqlite)).toEqual(everythingIn(memory));
    // The walk went where it should
    expect(outcomes.size).toBe(19);
    for (const name of ['createRun', 'addContributor', 'acceptUpdates', 'closeRound', 'addInvite']) {
      expect({ name, kinds: [...outcomes.get(name)!] }).toEqual({
        name,
        kinds: expect.arrayContaining(['ok', 'STORE_ERROR']) as string[],
      });
    }
    sqlite.close();
  },
);
