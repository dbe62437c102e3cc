/** One measurement: its labels and its value. */
export type Sample = { name: string; labels: Record<string, string>; value: number };
/** A metric with its samples; a histogram's are those of its buckets, its sum and its count. */
export type Family = { name: string; type: string; help: string; samples: Sample[] };

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;
const SUFFIXES: Record<string, readonly string[]> = {
  counter: [''],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count'],
  summary: ['', '_sum', '_count'],
};

/**
 * Reads Prometheus' text format 0.0.4 and takes nothing that its description does not allow: every family has one HELP and
 * one TYPE before its samples, samples stand together, no series comes twice, values are numbers, buckets grow.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @throws {Error} the line and what is wrong with it
 */
export function parsePrometheusText(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('expected a line feed at the end');
  const families = new Map<string, Family>();
  const helps = new Map<string, string>();
  const series = new Set<string>();
  let current: Family | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const wrong = (why: string): Error => new Error(`${why}: ${line}`);
    if (line === '') continue;
    const help = new RegExp(`^# HELP (${NAME}) (.+)$`).exec(line);
    const type = new RegExp(`^# TYPE (${NAME}) (counter|gauge|histogram|summary)$`).exec(line);
    if (help !== null) {
      if (helps.has(help[1]!)) throw wrong('a second HELP');
      helps.set(help[1]!, help[2]!);
    } else if (type !== null) {
      const name = type[1]!;
      if (families.has(name)) throw wrong('a second TYPE');
      if (!helps.has(name)) throw wrong('a TYPE without its HELP');
      current = { name, type: type[2]!, help: helps.get(name)!, samples: [] };
      families.set(name, current);
    } else {
      if (current === undefined) throw wrong('a sample before any TYPE');
      const sample = parseSample(line, wrong);
      if (!SUFFIXES[current.type]!.some((suffix) => sample.name === current!.name + suffix)) {
        throw wrong(`a sample that is none of ${current.name}`);
      }
      const key = `${sample.name} ${JSON.stringify(sample.labels, Object.keys(sample.labels).toSorted())}`;
      if (series.has(key)) throw wrong('a series that was there already');
      series.add(key);
      current.samples.push(sample);
    }
  }
  for (const family of families.values()) if (family.type === 'histogram') checkHistogram(family);
  return families;
}

function parseSample(line: string, wrong: (why: string) => Error): Sample {
  const parts = new RegExp(`^(${NAME})(?:\\{(.*)\\})? (\\S+)$`).exec(line);
  if (parts === null) throw wrong('no sample');
  const [, name = '', written = '', number = ''] = parts;
  const labels: Record<string, string> = {};
  for (let rest = written; rest !== '';) {
    const label = LABEL.exec(rest);
    if (label === null || Object.hasOwn(labels, label[1]!)) throw wrong('no labels');
    labels[label[1]!] = label[2]!;
    rest = rest.slice(label[0].length);
  }
  const value = number === '+Inf' ? Infinity : number === '-Inf' ? -Infinity : Number(number);
  if (Number.isNaN(value) && number !== 'NaN') throw wrong('no value');
  return { name, labels, value };
}

/** Buckets of a series count what is at most their bound, so they grow up to the one without a bound, which is the count. */
function checkHistogram({ name, samples }: Family): void {
  const buckets = new Map<string, [bound: number, count: number][]>();
  const counts = new Map<string, number>();
  for (const { name: own, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    if (own === `${name}_count`) counts.set(key, value);
    if (own !== `${name}_bucket`) continue;
    if (le === undefined) throw new Error(`${name}: a bucket without its bound`);
    buckets.set(key, [...(buckets.get(key) ?? []), [le === '+Inf' ? Infinity : Number(le), value]]);
  }
  for (const [key, list] of buckets) {
    for (let k = 1; k < list.length; k++) {
      if (!(list[k]![0] > list[k - 1]![0] && list[k]![1] >= list[k - 1]![1])) {
        throw new Error(`${name}: buckets that do not grow`);
      }
    }
    const [bound, count] = list.at(-1)!;
    if (bound !== Infinity || count !== counts.get(key)) {
      throw new Error(`${name}: the last bucket is not the count`);
    }
  }
}
