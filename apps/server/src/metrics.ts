import type { LabelValues } from 'prom-client';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { ErrorCode, RunStatus } from '@chorale/protocol';
import type { Observer } from './observer.ts';

/** What is asked when somebody reads the metrics, rather than counted all the time. */
export type MetricsSources = {
  /** The runs of this server: no other run id becomes a label. */
  runs: () => readonly { runId: string; status: RunStatus }[];
  /** Open sockets by namespace. */
  sockets: () => readonly { namespace: string; count: number }[];
  ready: () => boolean;
};

export type Metrics = {
  observer: Observer;
  /** Counts an answered HTTP request. @param status 100 to 599 */
  requestAnswered(status: number): void;
  contentType: string;
  /** Everything in Prometheus' text format 0.0.4. */
  text(): Promise<string>;
};

const SECONDS = [0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600];
const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** A run id that is none of this server's: a bug, or somebody trying; either way one label for all of them. */
const OTHER_RUN = 'other';

/** Of the process: event-loop lag, processor, memory, garbage collection. However many servers there are in it, once. */
let processRegistry: Registry | undefined;

/** Opens the metrics of one server; docs/operations.md has the table of them, which a test compares with the text. */
export function openMetrics({ runs, sockets, ready }: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const rounds = new Counter({
    name: 'chorale_rounds_total',
    help: 'Rounds that ended, by outcome',
    labelNames: ['run', 'outcome'],
    registers,
  });
  const roundSeconds = new Histogram({
    name: 'chorale_round_duration_seconds',
    help: 'Time from the first start of a round to its end',
    labelNames: ['run', 'outcome'],
    buckets: SECONDS,
    registers,
  });
  const aggregationSeconds = new Histogram({
    name: 'chorale_aggregation_duration_seconds',
    help: 'Time to turn the sum of the updates into the next adapter and store it',
    labelNames: ['run'],
    buckets: SHORT_SECONDS,
    registers,
  });
  const evaluationSeconds = new Histogram({
    name: 'chorale_evaluation_duration_seconds',
    help: 'Time to measure an adapter on the public test rows, by outcome',
    labelNames: ['run', 'outcome'],
    buckets: SECONDS,
    registers,
  });
  const updates = new Counter({
    name: 'chorale_updates_total',
    help: 'Updates that arrived, by what became of them: accepted, duplicate or an error code',
    labelNames: ['run', 'outcome'],
    registers,
  });
  const updateBytes = new Counter({
    name: 'chorale_update_bytes_total',
    help: 'Bytes of updates that arrived, by what became of them',
    labelNames: ['run', 'outcome'],
    registers,
  });
  const answerSeconds = new Histogram({
    name: 'chorale_update_acknowledgement_seconds',
    help: 'Time from the arrival of an update to its acknowledgement, when it is durable',
    labelNames: ['run'],
    buckets: SHORT_SECONDS,
    registers,
  });
  const queue = new Gauge({
    name: 'chorale_update_queue_length',
    help: 'Updates that have arrived and wait for their transaction',
    registers,
  });
  const offers = new Gauge({
    name: 'chorale_offer_queue_length',
    help: 'Updates that were offered and wait with their contributors until there is room for their bytes',
    registers,
  });
  const storeErrors = new Counter({
    name: 'chorale_store_errors_total',
    help: 'Failed reads and writes of the database, by error code',
    labelNames: ['code'],
    registers,
  });
  const refused = new Counter({
    name: 'chorale_refused_total',
    help: 'Connections, messages and requests refused by a limit or a check, by error code',
    labelNames: ['what', 'code'],
    registers,
  });
  const requests = new Counter({
    name: 'chorale_http_requests_total',
    help: 'HTTP requests answered, by class of status',
    labelNames: ['status'],
    registers,
  });
  asked(registry, {
    name: 'chorale_runs',
    help: 'Runs of this server, by status',
    label: 'status',
    read() {
      const counts = new Map<string, number>();
      for (const { status } of runs()) counts.set(status, (counts.get(status) ?? 0) + 1);
      return counts;
    },
  });
  asked(registry, {
    name: 'chorale_sockets',
    help: 'Open sockets, by namespace',
    label: 'namespace',
    read: () => new Map(sockets().map(({ namespace, count }) => [namespace, count])),
  });
  asked(registry, {
    name: 'chorale_ready',
    help: '1 while /readyz says yes',
    label: null,
    read: () => new Map([['', ready() ? 1 : 0]]),
  });

  const labelOf = (runId: string): string => (runs().some((run) => run.runId === runId) ? runId : OTHER_RUN);
  /** By run. */
  const queueLengths = new Map<string, number>();
  const observer: Observer = {
    updateAnswered(runId, outcome, payloadBytes, seconds) {
      const labels: LabelValues<'run' | 'outcome'> = { run: labelOf(runId), outcome };
      updates.inc(labels);
      updateBytes.inc(labels, countable(payloadBytes));
      answerSeconds.observe({ run: labelOf(runId) }, countable(seconds));
    },
    roundClosed(runId, outcome, seconds) {
      const labels = { run: labelOf(runId), outcome };
      rounds.inc(labels);
      roundSeconds.observe(labels, countable(seconds));
    },
    aggregated: (runId, seconds) => aggregationSeconds.observe({ run: labelOf(runId) }, countable(seconds)),
    evaluated: (runId, outcome, seconds) =>
      evaluationSeconds.observe({ run: labelOf(runId), outcome }, countable(seconds)),
    updateQueue(runId, length) {
      queueLengths.set(runId, countable(length));
      queue.set([...queueLengths.values()].reduce((sum, one) => sum + one, 0));
    },
    offerQueue: (length) => offers.set(countable(length)),
    storeFailed: (code: ErrorCode) => storeErrors.inc({ code }),
    refused: (what, code) => refused.inc({ what, code }),
  };

  return {
    observer,
    requestAnswered: (status) => requests.inc({ status: `${Math.floor(status / 100)}xx` }),
    contentType: registry.contentType,
    async text() {
      const [own, process] = await Promise.all([registry.metrics(), metricsOfProcess().metrics()]);
      // prom-client spells it otherwise than the format does
      return `${own}\n${process}`.replaceAll(/ Nan$/gm, ' NaN');
    },
  };
}

/** A gauge whose values by label are read when somebody asks. */
function asked(
  registry: Registry,
  {
    name,
    help,
    label,
    read,
  }: { name: string; help: string; label: string | null; read: () => ReadonlyMap<string, number> },
): void {
  registry.registerMetric(
    new Gauge({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers: [],
      collect() {
        this.reset();
        for (const [key, value] of read()) this.set(label === null ? {} : { [label]: key }, value);
      },
    }),
  );
}

function metricsOfProcess(): Registry {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    collectDefaultMetrics({ register: processRegistry });
  }
  return processRegistry;
}

/** A clock that was set back, or a bug, must not throw in the middle of a round. */
function countable(value: number): number {
  return Number.isFinite(value) && value > 0 ? value : 0;
}
