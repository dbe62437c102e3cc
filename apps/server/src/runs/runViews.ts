import type { CohortMember, ContributorSummary, PublicRun, RunDetail } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { RunHost } from './runHost.ts';

export type SpentEpsilon = (rounds: number) => number | null;

/** What everybody may read of a run. */
export function publicRun(host: RunHost, store: Store): PublicRun {
  return {
    run: host.run,
    state: host.view(),
    rounds: store.listRecords(host.run.runId),
  };
}

/** What the admin page shows of a run. */
export function runDetail(host: RunHost, store: Store, spentEpsilon: SpentEpsilon): RunDetail {
  const stored = store.listContributors(host.run.runId);
  const backends = new Map(stored.map(({ contributorId, backend }) => [contributorId, backend]));
  const members = host.members().flatMap((member): CohortMember[] => {
    const backend = backends.get(member.contributorId);
    return backend === undefined ? [] : [{ ...member, backend }];
  });
  const contributors = stored.map(({ contributorId, backend, lastRefusal, rounds }): ContributorSummary => ({
    contributorId,
    ...host.presence(contributorId),
    backend,
    rounds,
    spentEpsilon: spentEpsilon(rounds),
    lastRefusal,
  }));
  return {
    ...publicRun(host, store),
    plannedEpsilon: spentEpsilon(host.run.plan.config.rounds.count),
    members,
    contributors,
    createdAt: host.createdAtMs,
  };
}
