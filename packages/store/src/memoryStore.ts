import type { AuditEntry, RoundRecord } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import { chainAuditEntry } from './auditChain.ts';
import type {
  EngineRow,
  Store,
  StoredAdapter,
  StoredContributor,
  StoredInvite,
  StoredRun,
  StoredUpdate,
} from './store.ts';
import { inviteGone, missing, present } from './storeErrors.ts';

type ContributorRow = Omit<StoredContributor, 'rounds' | 'chargedRounds'> & {
  rounds: number;
  charges: Set<number>;
};

/** `bytes` is null once its round closed without keeping them. */
type UpdateRow = Omit<StoredUpdate, 'bytes'> & { bytes: Uint8Array | null };

type RunTables = {
  run: StoredRun;
  contributors: Map<string, ContributorRow>;
  /** Round → contributor → update. */
  updates: Map<number, Map<string, UpdateRow>>;
  adapters: Map<number, StoredAdapter>;
  records: Map<number, RoundRecord>;
  invites: Map<string, StoredInvite>;
};

/** A store in this process's memory, for simulations and tests. Each method checks everything before it changes anything. */
export function openMemoryStore(): Store {
  const runs = new Map<string, RunTables>();
  const sessions = new Map<string, number>();
  const audit: AuditEntry[] = [];
  let adminTokenHash: string | undefined;
  const retiredAdminTokens = new Set<string>();
  let closed = false;

  function open(): void {
    if (closed) throw new ChoraleError('STORE_ERROR', 'expected an open store, it was closed');
  }
  function tablesOf(runId: string): RunTables {
    open();
    const tables = runs.get(runId);
    if (tables === undefined) throw missing(`run ${runId}`);
    return tables;
  }
  function contributorOf(tables: RunTables, contributorId: string): ContributorRow {
    const contributor = tables.contributors.get(contributorId);
    if (contributor === undefined) throw missing(`contributor ${contributorId}`);
    return contributor;
  }
  function saveEngine(tables: RunTables, engine: EngineRow): void {
    tables.run = { ...tables.run, status: engine.status, engineState: engine.engineState };
    if (engine.dropUpdates !== true) return;
    for (const ofRound of tables.updates.values()) for (const update of ofRound.values()) update.bytes = null;
  }
  const withCounts = ({ charges, ...contributor }: ContributorRow): StoredContributor => ({
    ...contributor,
    chargedRounds: charges.size,
  });

  return {
    createRun(stored, initialParameters, firstRecord) {
      open();
      const { runId } = stored.run;
      if (runs.has(runId)) throw present(`run ${runId}`);
      const first = { adapterVersion: 0, parameters: initialParameters.slice(), optimizerState: null };
      runs.set(runId, {
        run: structuredClone(stored),
        contributors: new Map(),
        updates: new Map(),
        adapters: new Map([[0, first]]),
        records: new Map([[firstRecord.round, { ...firstRecord }]]),
        invites: new Map(),
      });
    },
    listRuns() {
      open();
      return [...runs.values()]
        .map((tables) => structuredClone(tables.run))
        .toSorted((a, b) => a.createdAtMs - b.createdAtMs);
    },
    getRun(runId) {
      open();
      return structuredClone(runs.get(runId)?.run);
    },
    saveEngine: (runId, engine) => saveEngine(tablesOf(runId), engine),

    addContributor(runId, { contributorId, tokenHash, backend }, inviteId) {
      const { contributors, invites } = tablesOf(runId);
      if (contributors.has(contributorId)) throw present(`contributor ${contributorId}`);
      for (const other of contributors.values()) {
        if (other.tokenHash === tokenHash) throw present('the token of a contributor');
      }
      if (inviteId !== undefined) {
        const invite = invites.get(inviteId);
        if (invite === undefined || invite.withdrawn || invite.used >= invite.uses) throw inviteGone();
        invite.used += 1;
      }
      contributors.set(contributorId, {
        contributorId,
        tokenHash,
        backend,
        lastRefusal: null,
        rounds: 0,
        charges: new Set(),
      });
    },
    getContributor(runId, contributorId) {
      open();
      const contributor = runs.get(runId)?.contributors.get(contributorId);
      return contributor && withCounts(contributor);
    },
    findContributor(runId, tokenHash) {
      open();
      for (const one of runs.get(runId)?.contributors.values() ?? []) {
        if (one.tokenHash === tokenHash) return one.contributorId;
      }
      return undefined;
    },
    listContributors(runId) {
      open();
      return [...(runs.get(runId)?.contributors.values() ?? [])].map(withCounts);
    },
    setBackend(runId, contributorId, backend) {
      contributorOf(tablesOf(runId), contributorId).backend = backend;
    },
    setLastRefusals(runId, codes) {
      const tables = tablesOf(runId);
      const rows = [...codes].map(([id, code]) => ({ row: contributorOf(tables, id), code }));
      for (const { row, code } of rows) row.lastRefusal = code;
    },

    chargeRounds(runId, charges) {
      const tables = tablesOf(runId);
      const rows = [...charges].map(([id, rounds]) => ({ row: contributorOf(tables, id), rounds }));
      let added = 0;
      for (const { row, rounds } of rows) {
        const before = row.charges.size;
        for (const round of rounds) row.charges.add(round);
        added += row.charges.size - before;
      }
      return added;
    },
    chargedRounds(runId, contributorId) {
      open();
      const charges = runs.get(runId)?.contributors.get(contributorId)?.charges ?? [];
      return [...charges].toSorted((a, b) => a - b);
    },
    mostChargedRounds(runId) {
      open();
      const contributors = [...(runs.get(runId)?.contributors.values() ?? [])];
      return contributors.reduce((most, { charges }) => Math.max(most, charges.size), 0);
    },

    acceptUpdates(runId, updates, engine) {
      const tables = tablesOf(runId);
      const keys = new Set<string>();
      for (const { round, contributorId } of updates) {
        contributorOf(tables, contributorId);
        const key = `${round} ${contributorId}`;
        if (keys.has(key) || tables.updates.get(round)?.has(contributorId) === true) {
          throw present(`update of ${contributorId} for round ${round}`);
        }
        keys.add(key);
      }
      for (const { round, contributorId, bytes, sha256 } of updates) {
        const ofRound = tables.updates.get(round) ?? new Map<string, UpdateRow>();
        ofRound.set(contributorId, { contributorId, bytes: Uint8Array.from(bytes), sha256 });
        tables.updates.set(round, ofRound);
        const contributor = contributorOf(tables, contributorId);
        contributor.rounds += 1;
        contributor.charges.add(round);
      }
      if (engine !== null) saveEngine(tables, engine);
    },
    getUpdateHash(runId, round, contributorId) {
      open();
      return runs.get(runId)?.updates.get(round)?.get(contributorId)?.sha256;
    },
    receivedContributors(runId, round) {
      open();
      return [...(runs.get(runId)?.updates.get(round)?.keys() ?? [])].toSorted();
    },
    eachUpdate(runId, round) {
      open();
      const ofRound = runs.get(runId)?.updates.get(round);
      return { [Symbol.iterator]: () => copiesOf(ofRound) };
    },

    closeRound(runId, adapter, record, engine, keepUpdates) {
      const tables = tablesOf(runId);
      const { adapterVersion } = adapter;
      if (tables.adapters.has(adapterVersion)) throw present(`adapter version ${adapterVersion}`);
      if (tables.records.has(record.round)) throw present(`record of round ${record.round}`);
      tables.adapters.set(adapterVersion, copyOf(adapter));
      tables.records.set(record.round, { ...record });
      saveEngine(tables, engine);
      if (keepUpdates) return;
      for (const update of tables.updates.get(record.round)?.values() ?? []) update.bytes = null;
    },
    recordEvaluation(runId, round, metrics, engine) {
      const tables = tablesOf(runId);
      const record = tables.records.get(round);
      if (record === undefined) throw missing(`record of round ${round}`);
      tables.records.set(round, { ...record, ...metrics });
      if (engine !== undefined) saveEngine(tables, engine);
    },
    recordEpsilon(runId, round, spentEpsilon) {
      const { records } = tablesOf(runId);
      const record = records.get(round);
      if (record === undefined) throw missing(`record of round ${round}`);
      records.set(round, { ...record, spentEpsilon });
    },
    listRecords(runId) {
      open();
      return [...(runs.get(runId)?.records.values() ?? [])]
        .map((record) => ({ ...record }))
        .toSorted((a, b) => a.round - b.round);
    },
    getAdapter(runId, adapterVersion) {
      open();
      const adapter = runs.get(runId)?.adapters.get(adapterVersion);
      return adapter && copyOf(adapter);
    },
    latestAdapter(runId) {
      const { adapters } = tablesOf(runId);
      return copyOf(adapters.get(Math.max(...adapters.keys()))!);
    },

    addInvite(runId, invite) {
      const { invites } = tablesOf(runId);
      if (invites.has(invite.inviteId)) throw present(`invite ${invite.inviteId}`);
      for (const { codeHash } of invites.values()) {
        if (codeHash === invite.codeHash) throw present('the code of an invite');
      }
      invites.set(invite.inviteId, { ...invite });
    },
    listInvites(runId) {
      open();
      return [...(runs.get(runId)?.invites.values() ?? [])]
        .map((invite) => ({ ...invite }))
        .toSorted((a, b) => a.createdAt - b.createdAt);
    },
    findInvite(runId, codeHash, nowMs) {
      open();
      for (const invite of runs.get(runId)?.invites.values() ?? []) {
        if (invite.codeHash !== codeHash) continue;
        const expired = invite.expiresAt !== null && invite.expiresAt <= nowMs;
        return invite.withdrawn || expired || invite.used >= invite.uses ? undefined : { ...invite };
      }
      return undefined;
    },
    withdrawInvite(runId, inviteId) {
      const invite = tablesOf(runId).invites.get(inviteId);
      if (invite === undefined) throw missing(`invite ${inviteId}`);
      invite.withdrawn = true;
    },

    setAdminTokenHash(hash) {
      open();
      adminTokenHash = hash;
    },
    getAdminTokenHash() {
      open();
      return adminTokenHash;
    },
    replaceAdminToken(hash) {
      open();
      if (adminTokenHash !== undefined) retiredAdminTokens.add(adminTokenHash);
      adminTokenHash = hash;
      sessions.clear();
    },
    isRetiredAdminToken(hash) {
      open();
      return retiredAdminTokens.has(hash);
    },
    addSession(hash, expiresAtMs, nowMs) {
      open();
      for (const [other, expiresMs] of sessions) if (expiresMs <= nowMs) sessions.delete(other);
      sessions.set(hash, expiresAtMs);
    },
    hasSession(hash, nowMs) {
      open();
      return (sessions.get(hash) ?? 0) > nowMs;
    },
    endSession(hash) {
      open();
      sessions.delete(hash);
    },
    endAllSessions() {
      open();
      sessions.clear();
    },

    appendAudit(entry) {
      open();
      const chained = chainAuditEntry(audit.at(-1), entry);
      audit.push(chained);
      return { ...chained };
    },
    listAudit(limit, before) {
      open();
      const end = before === null ? audit.length : Math.min(before - 1, audit.length);
      return audit
        .slice(Math.max(0, end - limit), Math.max(0, end))
        .map((entry) => ({ ...entry }))
        .toReversed();
    },

    checkWritable: open,
    backup() {
      return Promise.reject(
        new ChoraleError('STORE_ERROR', 'expected a store in a file, this one is in memory'),
      );
    },
    close() {
      open();
      closed = true;
    },
  };
}

function* copiesOf(updates: Map<string, UpdateRow> | undefined): Generator<StoredUpdate> {
  for (const contributorId of [...(updates?.keys() ?? [])].toSorted()) {
    const { bytes, sha256 } = updates!.get(contributorId)!;
    if (bytes !== null) yield { contributorId, sha256, bytes: Uint8Array.from(bytes) };
  }
}

function copyOf({ adapterVersion, parameters, optimizerState }: StoredAdapter): StoredAdapter {
  return {
    adapterVersion,
    parameters: parameters.slice(),
    optimizerState: optimizerState && optimizerState.slice(),
  };
}
