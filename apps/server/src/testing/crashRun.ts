import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PublicRun } from '@chorale/protocol';
import type { Moment } from './crashContributor.ts';
import { CrashContributor } from './crashContributor.ts';
import type { CrashConfig, RunOutcome } from './crashSite.ts';
import { CrashServer, readOutcomes, writeSite } from './crashSite.ts';
import { freePort } from './serverProcess.ts';

/** When one life of the server ends: so long after the n-th such moment, or after the process was started. */
export type KillPoint = { at: Moment | 'spawn'; count: number; delayMs: number };

export type CrashRunOptions = {
  /** Of the runs that the server has at once; each has contributors of its own. */
  configs: readonly CrashConfig[];
  parameterCount: number;
  kills: readonly KillPoint[];
  keepUpdates?: 'none' | 'all';
  /** Who sends nothing in a round though she is asked and there; contributors count from 0. */
  sitsOut?: (contributor: number, round: number) => boolean;
};

export type CrashRunResult = {
  /** In the order of the configs. */
  runs: RunOutcome[];
  /** How often the server was killed, by what the kill was aligned to. */
  killed: Partial<Record<KillPoint['at'], number>>;
};

/** Runs from their start to their end, on a server that is killed as often as there are kill points. */
export async function runWithCrashes({
  configs,
  parameterCount,
  kills,
  keepUpdates = 'none',
  sitsOut,
}: CrashRunOptions): Promise<CrashRunResult> {
  const directory = mkdtempSync(join(tmpdir(), 'chorale-crash-'));
  const { configPaths, dataDir } = writeSite(directory, configs);
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const watch = new Watch();
  /** By run. */
  const contributors = new Map<string, CrashContributor[]>();
  const killed: CrashRunResult['killed'] = {};
  const waiting = [...kills];
  let server: CrashServer | undefined;
  try {
    for (;;) {
      server = new CrashServer({ dataDir, configPaths, port, parameterCount, keepUpdates });
      const kill = waiting.shift();
      const due = kill && watch.after(kill);
      const ready = await Promise.race(due ? [server.ready, due] : [server.ready]);
      if (ready === undefined) {
        // Killed before it served
        await server.kill();
        killed[kill!.at] = (killed[kill!.at] ?? 0) + 1;
        continue;
      }
      if (contributors.size === 0) {
        for (const [k, runId] of ready.entries()) {
          const { run } = (await (await fetch(`${url}api/runs/${runId}`)).json()) as PublicRun;
          const { cohortSize, overSelection } = run.plan.config.rounds;
          const asked = Array.from(
            { length: Math.ceil(cohortSize * (1 + overSelection)) },
            (_, index) =>
              new CrashContributor(100 * k + index, url, run, {
                onMoment: (moment) => watch.tell(moment),
                ...(sitsOut && { sitsOut: (round: number) => sitsOut(index, round) }),
              }),
          );
          contributors.set(runId, asked);
        }
      }
      const ended = server.completed(url, ready);
      const first = await Promise.race(due ? [due.then(() => 'due' as const), ended] : [ended]);
      await server.kill();
      if (first !== 'due') break;
      killed[kill!.at] = (killed[kill!.at] ?? 0) + 1;
    }
    return { runs: readOutcomes(join(dataDir, 'chorale.sqlite'), contributors), killed };
  } finally {
    for (const contributor of [...contributors.values()].flat()) contributor.stop();
    await server?.kill();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Counts moments, and resolves when one has come often enough. */
class Watch {
  #listeners = new Set<(moment: Moment) => void>();

  tell(moment: Moment): void {
    for (const listener of this.#listeners) listener(moment);
  }

  async after({ at, count, delayMs }: KillPoint): Promise<undefined> {
    if (at !== 'spawn') {
      let left = count;
      await new Promise<void>((resolve) => {
        const listener = (moment: Moment): void => {
          if (moment !== at || --left > 0) return;
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
    // Zero: at once, in the same turn of the event loop
    if (delayMs > 0) await sleep(delayMs);
    return undefined;
  }
}
