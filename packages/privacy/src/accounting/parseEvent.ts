import type { DpEvent } from '../events.ts';

/** Far more than any ledger holds; what is beyond is damage or an attack. */
const DEEPEST = 32;
const LARGEST_SIZE = 100_000;

const FIELDS = {
  gaussian: ['type', 'privacyUnit', 'neighbouringRelation', 'noiseMultiplier'],
  'poisson-sampled-gaussian': [
    'type',
    'privacyUnit',
    'neighbouringRelation',
    'samplingRate',
    'noiseMultiplier',
  ],
  'self-composed': ['type', 'event', 'count'],
  composed: ['type', 'events'],
  'non-private': ['type'],
} as const satisfies Record<DpEvent['type'], readonly string[]>;

const RELATION_OF = { example: 'zero-out', contributor: 'replace' } as const;

/**
 * Reads an event that comes from storage or from the network. Nothing is passed over: what an event says is what is
 * accounted for.
 * @param value anything
 * @returns a new object of exactly the fields of its type
 * @throws {TypeError} a value of another shape: an unknown type of event, a missing or an unknown field, a unit without its
 * relation, more than 32 levels or 100,000 events
 * @throws {RangeError} a number is out of its range
 */
export function parseDpEvent(value: unknown): DpEvent {
  let size = 0;

  const parse = (part: unknown, path: string, depth: number): DpEvent => {
    size++;
    if (depth > DEEPEST || size > LARGEST_SIZE) {
      throw new TypeError(`${path}: expected at most ${DEEPEST} levels and ${LARGEST_SIZE} events, got more`);
    }
    const fields = fieldsOf(part, path);
    switch (fields.type) {
      case 'gaussian':
        return {
          type: 'gaussian',
          ...parseUnit(fields, path),
          noiseMultiplier: parseNoiseMultiplier(fields, path),
        };
      case 'poisson-sampled-gaussian': {
        const unit = parseUnit(fields, path);
        if (unit.privacyUnit !== 'example') fail(`${path}.privacyUnit`, "'example'", unit.privacyUnit);
        return {
          type: 'poisson-sampled-gaussian',
          ...unit,
          samplingRate: parseNumber(
            fields.samplingRate,
            `${path}.samplingRate`,
            'a number in (0, 1]',
            (rate) => rate > 0 && rate <= 1,
          ),
          noiseMultiplier: parseNoiseMultiplier(fields, path),
        };
      }
      case 'self-composed':
        return {
          type: 'self-composed',
          event: parse(fields.event, `${path}.event`, depth + 1),
          count: parseNumber(
            fields.count,
            `${path}.count`,
            'an integer of at least 0',
            (count) => Number.isSafeInteger(count) && count >= 0,
          ),
        };
      case 'composed': {
        const { events } = fields;
        if (!Array.isArray(events)) fail(`${path}.events`, 'a list of events', events);
        return {
          type: 'composed',
          events: Array.from(events, (event: unknown, i) => parse(event, `${path}.events[${i}]`, depth + 1)),
        };
      }
      case 'non-private':
        return { type: 'non-private' };
    }
  };
  return parse(value, 'event', 1);
}

type Fields = { type: DpEvent['type'] } & Record<string, unknown>;

/** The fields of one event, all of them present and known. */
function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(path, 'an event', value);
  const fields = value as Record<string, unknown>;
  const { type } = fields;
  if (typeof type !== 'string' || !Object.hasOwn(FIELDS, type)) {
    fail(`${path}.type`, `one of ${Object.keys(FIELDS).join(', ')}`, type);
  }
  const expected: readonly string[] = FIELDS[type as DpEvent['type']];
  for (const name of Object.keys(fields)) {
    if (!expected.includes(name)) fail(path, `the fields ${expected.join(', ')}`, name);
  }
  for (const name of expected) {
    if (!Object.hasOwn(fields, name)) fail(`${path}.${name}`, 'a value', undefined);
  }
  return fields as Fields;
}

type Unit =
  | { privacyUnit: 'example'; neighbouringRelation: 'zero-out' }
  | { privacyUnit: 'contributor'; neighbouringRelation: 'replace' };

function parseUnit({ privacyUnit, neighbouringRelation }: Fields, path: string): Unit {
  if (privacyUnit !== 'example' && privacyUnit !== 'contributor') {
    fail(`${path}.privacyUnit`, "'example' or 'contributor'", privacyUnit);
  }
  const relation = RELATION_OF[privacyUnit];
  if (neighbouringRelation !== relation) {
    fail(`${path}.neighbouringRelation`, `'${relation}' for ${privacyUnit}`, neighbouringRelation);
  }
  return { privacyUnit, neighbouringRelation: relation } as Unit;
}

function parseNoiseMultiplier({ noiseMultiplier }: Fields, path: string): number {
  return parseNumber(
    noiseMultiplier,
    `${path}.noiseMultiplier`,
    'a finite number over 0',
    (noise) => noise > 0 && noise < Infinity,
  );
}

function parseNumber(
  value: unknown,
  path: string,
  expected: string,
  isInRange: (value: number) => boolean,
): number {
  if (typeof value !== 'number') fail(path, expected, value);
  if (!isInRange(value)) throw new RangeError(`${path}: expected ${expected}, got ${value}`);
  return value;
}

function fail(path: string, expected: string, got: unknown): never {
  const shown = got === undefined ? 'nothing' : (JSON.stringify(got) ?? typeof got);
  throw new TypeError(
    `${path}: expected ${expected}, got ${shown.length > 80 ? `${shown.slice(0, 80)}…` : shown}`,
  );
}
