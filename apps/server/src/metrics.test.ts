import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { RunStatus } from '@chorale/protocol';
import { openMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { REPOSITORY_ROOT } from './models/modelSource.ts';
import type { Sample } from './testing/prometheusText.ts';
import { parsePrometheusText } from './testing/prometheusText.ts';

const RUNS: { runId: string; status: RunStatus }[] = [
  { runId: 'spring-1', status: 'training' },
  { runId: 'odd "name"\\\n-2', status: 'recruiting' },
];

function open(sources: Partial<Parameters<typeof openMetrics>[0]> = {}): Metrics {
  return openMetrics({
    runs: () => RUNS,
    sockets: () => [{ namespace: 'contribute', count: 7 }],
    ready: () => true,
    ...sources,
  });
}

async function samplesOf(metrics: Metrics, name: string): Promise<Sample[]> {
  return parsePrometheusText(await metrics.text()).get(name)!.samples;
}

it('counts what it is told', async () => {
  const metrics = open();
  const { observer } = metrics;
  observer.updateAnswered('spring-1', 'accepted', 100, 0.003);
  observer.updateAnswered('spring-1', 'accepted', 50, 0.2);
  observer.updateAnswered('spring-1', 'UPDATE_WRONG_ROUND', 7, 0.001);
  observer.roundClosed('spring-1', 'aggregated', 42);
  observer.aggregated('spring-1', 0.5);
  observer.evaluated('spring-1', 'measured', 3);
  observer.updateQueue('spring-1', 4);
  observer.updateQueue('b', 9);
  observer.updateQueue('c', 2);
  observer.updateQueue('b', 0);
  observer.offerQueue(7);
  observer.storeFailed('STORE_FULL');
  observer.refused('request', 'RATE_LIMITED');
  metrics.requestAnswered(204);
  const values = async (name: string) =>
    (await samplesOf(metrics, name)).map(({ labels, value }) => [...Object.values(labels), value]);
  expect(await values('chorale_updates_total')).toEqual([
    ['spring-1', 'accepted', 2],
    ['spring-1', 'UPDATE_WRONG_ROUND', 1],
  ]);
  expect(await values('chorale_update_bytes_total')).toEqual([
    ['spring-1', 'accepted', 150],
    ['spring-1', 'UPDATE_WRONG_ROUND', 7],
  ]);
  expect(await values('chorale_rounds_total')).toEqual([['spring-1', 'aggregated', 1]]);
  expect(await values('chorale_update_queue_length')).toEqual([[6]]);
  expect(await values('chorale_offer_queue_length')).toEqual([[7]]);
  expect(await values('chorale_store_errors_total')).toEqual([['STORE_FULL', 1]]);
  expect(await values('chorale_refused_total')).toEqual([['request', 'RATE_LIMITED', 1]]);
  expect(await values('chorale_http_requests_total')).toEqual([['2xx', 1]]);
  expect(await values('chorale_sockets')).toEqual([['contribute', 7]]);
  expect(await values('chorale_runs')).toEqual([
    ['training', 1],
    ['recruiting', 1],
  ]);
  expect(await values('chorale_ready')).toEqual([[1]]);
  const acknowledged = await samplesOf(metrics, 'chorale_update_acknowledgement_seconds');
  expect(acknowledged.find(({ labels }) => labels['le'] === '0.005')?.value).toBe(2);
  expect(acknowledged.find(({ name }) => name.endsWith('_sum'))?.value).toBeCloseTo(0.204);
  const rounds = await samplesOf(metrics, 'chorale_round_duration_seconds');
  expect(rounds.find(({ name }) => name.endsWith('_sum'))).toMatchObject({ value: 42 });
});

it('tells how the process does, once however many servers it holds', async () => {
  open();
  const families = parsePrometheusText(await open().text());
  for (const name of [
    'nodejs_eventloop_lag_p99_seconds',
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
  ]) {
    expect(families.get(name)!.samples[0]!.value).toBeGreaterThanOrEqual(0);
  }
});

it('has no more series than it has runs, whatever ids it is told', async () => {
  const metrics = open();
  for (let k = 0; k < 1000; k++) metrics.observer.updateAnswered(`made-up-${k}`, 'accepted', 1, 0.1);
  metrics.observer.updateAnswered(RUNS[1]!.runId, 'accepted', 1, 0.1);
  const updates = await samplesOf(metrics, 'chorale_updates_total');
  expect(updates.map(({ labels, value }) => [labels['run'], value])).toEqual([
    ['other', 1000],
    ['odd \\"name\\"\\\\\\n-2', 1],
  ]);
});

it('never throws at a round because of a clock', async () => {
  const metrics = open();
  for (const seconds of [-1, NaN, Infinity]) {
    metrics.observer.updateAnswered('spring-1', 'accepted', seconds, seconds);
    metrics.observer.roundClosed('spring-1', 'failed', seconds);
    metrics.observer.aggregated('spring-1', seconds);
    metrics.observer.evaluated('spring-1', 'failed', seconds);
    metrics.observer.updateQueue('spring-1', seconds);
    metrics.observer.offerQueue(seconds);
  }
  expect((await samplesOf(metrics, 'chorale_rounds_total'))[0]!.value).toBe(3);
});

it('stands in the table of docs/operations.md: every metric, its type and its labels', async () => {
  const document = readFileSync(join(REPOSITORY_ROOT, 'docs/operations.md'), 'utf8');
  const table = [...document.matchAll(/^\| `(chorale_\w+)` +\| (\w+) +\| ([^|]*?) +\|/gm)].map((row) =>
    row.slice(1),
  );
  const metrics = open();
  const { observer } = metrics;
  observer.updateAnswered('spring-1', 'accepted', 1, 1);
  observer.roundClosed('spring-1', 'aggregated', 1);
  observer.aggregated('spring-1', 1);
  observer.evaluated('spring-1', 'measured', 1);
  observer.storeFailed('STORE_FULL');
  observer.refused('request', 'RATE_LIMITED');
  metrics.requestAnswered(200);
  const own = [...parsePrometheusText(await metrics.text()).values()].filter(({ name }) =>
    name.startsWith('chorale_'),
  );
  const labelsOf = (samples: Sample[]) =>
    Object.keys(samples[0]!.labels)
      .filter((label) => label !== 'le')
      .map((label) => `\`${label}\``);
  const byName = (a: string[], b: string[]) => a[0]!.localeCompare(b[0]!);
  expect(table.toSorted(byName)).toEqual(
    own.map(({ name, type, samples }) => [name, type, labelsOf(samples).join(', ') || '–']).toSorted(byName),
  );
});

describe('the parser of the format', () => {
  const head = '# HELP a b\n# TYPE a counter\n';
  it('takes what is right', () => {
    expect(parsePrometheusText(`${head}a{x="1",y="\\"\\\\\\n"} 1.5\na 2\n`).get('a')!.samples).toHaveLength(
      2,
    );
  });
  it.each<[string, string, RegExp]>([
    ['no line feed', `${head}a 1`, /line feed/],
    ['no TYPE', 'a 1\n', /before any TYPE/],
    ['no HELP', '# TYPE a counter\na 1\n', /without its HELP/],
    ['a second TYPE', `${head}# TYPE a counter\n`, /a second TYPE/],
    ['an unknown type', '# HELP a b\n# TYPE a thing\n', /before any TYPE/],
    ['a foreign sample', `${head}b 1\n`, /none of a/],
    ['no value', `${head}a\n`, /no sample/],
    ['a word as value', `${head}a one\n`, /no value/],
    ['a label without quotes', `${head}a{x=1} 1\n`, /no labels/],
    ['a label twice', `${head}a{x="1",x="2"} 1\n`, /no labels/],
    ['a quote inside a label', `${head}a{x="1"2"} 1\n`, /no labels/],
    ['a series twice', `${head}a{x="1"} 1\na{x="1"} 2\n`, /there already/],
    [
      'buckets that shrink',
      '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
      /do not grow/,
    ],
    [
      'no last bucket',
      '# HELP h b\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 1\nh_count 2\n',
      /not the count/,
    ],
  ])('refuses %s', (_, text, problem) => {
    expect(() => parsePrometheusText(text)).toThrow(problem);
  });
});
