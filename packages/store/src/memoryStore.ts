import type { RoundRecord } from '@chorale/protocol';
import { ChoraleError } from '@chorale/protocol';
import type { EngineRow, Store, StoredAdapter, StoredContributor, StoredRun, StoredUpdate } from './store.ts';
import { missing, present } from './storeErrors.ts';

type ContributorRow = Omit<StoredContributor, 'rounds' | 'chargedRounds'> & { charges: Set<number> };

type RunTables = {
  run: StoredRun;
  contributors: Map<string, ContributorRow>;
  /** Round → contributor → update. */
  updates: Map<number, Map<string, StoredUpdate>>;
  adapters: Map<number, Float64Array>;
  records: Map<number, RoundRecord>;
};

/** A store in this process's memory, for simulations and tests. Each method checks everything before it changes anything. */
export function openMemoryStore(): Store {
  const runs = new Map<string, RunTables>();
  const sessions = new Map<string, number>();
  let adminTokenHash: string | undefined;
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
  }
  function withRounds(tables: RunTables, { charges, ...contributor }: ContributorRow): StoredContributor {
    const updates = [...tables.updates.values()].filter((ofRound) => ofRound.has(contributor.contributorId));
    return { ...contributor, rounds: updates.length, chargedRounds: charges.size };
  }

  return {
    createRun(stored, initialParameters, firstRecord) {
      open();
      const { runId } = stored.run;
      if (runs.has(runId)) throw present(`run ${runId}`);
      runs.set(runId, {
        run: structuredClone(stored),
        contributors: new Map(),
        updates: new Map(),
        adapters: new Map([[0, initialParameters.slice()]]),
        records: new Map([[firstRecord.round, { ...firstRecord }]]),
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

    addContributor(runId, { contributorId, tokenHash, backend }) {
      const { contributors } = tablesOf(runId);
      if (contributors.has(contributorId)) throw present(`contributor ${contributorId}`);
      contributors.set(contributorId, {
        contributorId,
        tokenHash,
        backend,
        lastRefusal: null,
        charges: new Set(),
      });
    },
    getContributor(runId, contributorId) {
      open();
      const tables = runs.get(runId);
      const contributor = tables?.contributors.get(contributorId);
      return tables && contributor && withRounds(tables, contributor);
    },
    listContributors(runId) {
      open();
      const tables = runs.get(runId);
      return tables ? [...tables.contributors.values()].map((one) => withRounds(tables, one)) : [];
    },
    setBackend(runId, contributorId, backend) {
      contributorOf(tablesOf(runId), contributorId).backend = backend;
    },
    setLastRefusal(runId, contributorId, code) {
      contributorOf(tablesOf(runId), contributorId).lastRefusal = code;
    },

    chargeRounds(runId, contributorId, rounds) {
      const { charges } = contributorOf(tablesOf(runId), contributorId);
      for (const round of rounds) charges.add(round);
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

    acceptUpdate(runId, round, { contributorId, bytes, sha256 }, engine) {
      const tables = tablesOf(runId);
      const { charges } = contributorOf(tables, contributorId);
      const ofRound = tables.updates.get(round) ?? new Map<string, StoredUpdate>();
      if (ofRound.has(contributorId)) throw present(`update of ${contributorId} for round ${round}`);
      ofRound.set(contributorId, { contributorId, bytes: Uint8Array.from(bytes), sha256 });
      tables.updates.set(round, ofRound);
      charges.add(round);
      saveEngine(tables, engine);
    },
    getUpdateHash(runId, round, contributorId) {
      open();
      return runs.get(runId)?.updates.get(round)?.get(contributorId)?.sha256;
    },
    listUpdates(runId, round) {
      open();
      return [...(runs.get(runId)?.updates.get(round)?.values() ?? [])]
        .map((update) => ({ ...update, bytes: Uint8Array.from(update.bytes) }))
        .toSorted((a, b) => (a.contributorId < b.contributorId ? -1 : 1));
    },

    closeRound(runId, { adapterVersion, parameters }, record, engine) {
      const tables = tablesOf(runId);
      if (tables.adapters.has(adapterVersion)) throw present(`adapter version ${adapterVersion}`);
      if (tables.records.has(record.round)) throw present(`record of round ${record.round}`);
      tables.adapters.set(adapterVersion, parameters.slice());
      tables.records.set(record.round, { ...record });
      saveEngine(tables, engine);
    },
    recordEvaluation(runId, round, metrics, engine) {
      const tables = tablesOf(runId);
      const record = tables.records.get(round);
      if (record === undefined) throw missing(`record of round ${round}`);
      tables.records.set(round, { ...record, ...metrics });
      if (engine !== undefined) saveEngine(tables, engine);
    },
    listRecords(runId) {
      open();
      return [...(runs.get(runId)?.records.values() ?? [])]
        .map((record) => ({ ...record }))
        .toSorted((a, b) => a.round - b.round);
    },
    getAdapter(runId, adapterVersion) {
      open();
      const parameters = runs.get(runId)?.adapters.get(adapterVersion);
      return parameters && { adapterVersion, parameters: parameters.slice() };
    },
    latestAdapter(runId): StoredAdapter {
      const { adapters } = tablesOf(runId);
      const adapterVersion = Math.max(...adapters.keys());
      return { adapterVersion, parameters: adapters.get(adapterVersion)!.slice() };
    },

    setAdminTokenHash(hash) {
      open();
      adminTokenHash = hash;
    },
    getAdminTokenHash() {
      open();
      return adminTokenHash;
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

    close() {
      open();
      closed = true;
    },
  };
}
