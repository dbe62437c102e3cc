import { createHash } from 'node:crypto';
import type { ResolvedRun, RoundRecord } from '@chorale/protocol';
import { parseRunConfig } from '@chorale/protocol';
import type { EngineRow, NewAuditEntry, StoredInvite, StoredRun } from '../store.ts';

// What tests of stores put into them.

const config = parseRunConfig({
  name: 'test',
  task: { type: 'sequence-classification', labels: ['no', 'yes'] },
  training: { learningRate: 0.5, samplingRate: 0.1, expectedBatchSize: 8, clippingNorm: 1 },
  privacy: { unit: 'none' },
  rounds: { count: 2, cohortSize: 2, minimumUpdates: 1 },
});

export function storedRun(runId: string, createdAtMs = 1000): StoredRun {
  const file = { sizeBytes: 2, sha256: 'a'.repeat(64) };
  const run: ResolvedRun = {
    runId,
    plan: {
      config,
      noiseMultiplier: 0,
      model: { name: 'tiny', source: null, files: [{ name: 'config.json', ...file, pieces: [file] }] },
      basisHash: 'b'.repeat(64),
      parameterCount: 3,
      tensors: [{ name: 'loraB', count: 3 }],
      trainedRanges: [{ start: 0, end: 3 }],
    },
    planHash: 'c'.repeat(64),
  };
  return { run, createdAtMs, status: 'recruiting', engineState: '{"n":0}', evaluationSha256: null };
}

export function record(round: number): RoundRecord {
  return {
    round,
    attempt: 1,
    cohort: 2,
    received: 2,
    adapterVersion: round,
    testAccuracy: null,
    testLoss: null,
    spentEpsilon: 1.5,
    localMetrics: null,
    uplinkBytes: 92,
    durationMs: 12.5,
  };
}

export const engine = (n: number): EngineRow => ({ status: 'training', engineState: `{"n":${n}}` });

export function update(round: number, contributorId: string, bytes: Uint8Array) {
  return { round, contributorId, bytes, sha256: hashOf(bytes), receivedAtMs: 5 };
}

export function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function invite(inviteId: string, changes: Partial<StoredInvite> = {}): StoredInvite {
  return {
    inviteId,
    codeHash: `code of ${inviteId}`,
    note: 'for Alice',
    createdAt: 1000.5,
    expiresAt: null,
    uses: 1,
    used: 0,
    withdrawn: false,
    ...changes,
  };
}

export function auditEntry(detail: string): NewAuditEntry {
  return { at: 5.25, act: 'pause', actor: '0123abcd', address: '127.0.0.1', runId: 'run-1', detail };
}
