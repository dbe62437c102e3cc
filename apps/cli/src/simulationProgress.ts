import type { SimulationProgress } from '@chorale/simulation';

export type ProgressSizes = { seeds: number; rounds: number; cohort: number };

const BAR_WIDTH = 24;

/** On a terminal one line that is drawn again and again; elsewhere one line for every round. */
export function simulationProgress(
  stream: Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>,
  sizes: ProgressSizes,
  now: () => number = () => performance.now(),
): { show: (progress: SimulationProgress) => void; close: () => void } {
  const clock = new TimeLeft(now);
  let accuracy: number | null = null;
  return {
    show(progress) {
      const { seed, rounds, record } = progress;
      const share = shareDone(progress, sizes);
      const left = clock.left(share, record !== null || progress.clients > 0);
      accuracy = record?.testAccuracy ?? accuracy;
      if (stream.isTTY) {
        const bar = '█'.repeat(Math.round(share * BAR_WIDTH)).padEnd(BAR_WIDTH, '░');
        const text = [
          `seed ${seed}, round ${rounds} of ${sizes.rounds}`,
          accuracy === null ? null : percent(accuracy),
          left === null ? null : `${duration(left)} left`,
        ];
        const line = ` ${bar} ${text.filter((part) => part !== null).join(' · ')}`;
        const width = stream.columns > 0 ? stream.columns : 80; // some terminals say 0
        stream.write(`\r\u001b[K${line.slice(0, Math.max(20, width - 1))}`);
      } else if (record !== null) {
        const tested = record.testAccuracy === null ? '' : `accuracy ${percent(record.testAccuracy)}, `;
        const rest = left === null || share === 1 ? '' : `, about ${duration(left)} left`;
        stream.write(
          `seed ${seed} round ${rounds}/${sizes.rounds}: ${tested}${record.seconds.toFixed(1)} s${rest}\n`,
        );
      }
    },
    close() {
      if (stream.isTTY) stream.write('\r\u001b[K');
    },
  };
}

/** How much of all seeds is done, from 0 to 1. */
function shareDone(
  { seedsDone, rounds, clients }: SimulationProgress,
  { seeds, rounds: roundCount, cohort }: ProgressSizes,
): number {
  return (seedsDone + (rounds + clients / cohort) / roundCount) / seeds;
}

/** Time left, from what this process has done; what an earlier start had done took no time now. */
class TimeLeft {
  readonly #now: () => number;
  #startedAt: number | null = null;
  #share = 0;
  #worked = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * @param share  how much is done
   * @param worked whether this process did what was added since the last call
   * @returns ms, or null when it has done nothing yet
   */
  left(share: number, worked: boolean): number | null {
    this.#startedAt ??= this.#now();
    if (worked) this.#worked += share - this.#share;
    this.#share = share;
    return this.#worked <= 0 ? null : ((this.#now() - this.#startedAt) / this.#worked) * (1 - share);
  }
}

function duration(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 1.5) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 90 ? `${Math.round(minutes)} min` : `${(minutes / 60).toFixed(1)} h`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
