import type { CohortMember, ContributorSummary, PublicRun, RunDetail } from '@chorale/protocol';
import type { Store } from '@chorale/store';
import type { RunHost } from './runHost.ts';

/** What everybody may read of a run. */
export function publicRun(host: RunHost, store: Store): PublicRun {
  return {
    run: host.run,
    state: host.view(),
    rounds: store.listRecords(host.run.runId),
  };
}

/**
 * What the admin page shows of a run. Waits until the accountant has priced what it names: the charges there are at the
 * call, so that somebody who adds to hers all the time cannot hold it up for ever.
 */
export async function runDetail(host: RunHost, store: Store): Promise<RunDetail> {
  const { epsilons, run } = host;
  const roundCount = run.plan.config.rounds.count;
  const stored = store.listContributors(run.runId);
  await epsilons.prepare([roundCount, ...stored.map(({ chargedRounds }) => chargedRounds)], 'background');
  const backends = new Map(stored.map(({ contributorId, backend }) => [contributorId, backend]));
  const members = host.members().flatMap((member): CohortMember[] => {
    const backend = backends.get(member.contributorId);
    return backend === undefined ? [] : [{ ...member, backend }];
  });
  const contributors = stored.map(({ contributorId, backend, ...facts }): ContributorSummary => ({
    contributorId,
    ...host.presence(contributorId),
    backend,
    rounds: facts.rounds,
    chargedRounds: facts.chargedRounds,
    spentEpsilon: epsilons.of(facts.chargedRounds),
    lastRefusal: host.lastRefusal(contributorId) ?? facts.lastRefusal,
  }));
  return {
    ...publicRun(host, store),
    plannedEpsilon: epsilons.of(roundCount),
    accountingNote: epsilons.noteOf(roundCount),
    members,
    contributors,
    createdAt: host.createdAtMs,
  };
}
