import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import type { Privatized } from '@chorale/privacy';
import {
  CONTRIBUTE_NAMESPACE,
  ERROR_CODES,
  PROTOCOL_VERSION,
  availabilitySchema,
  canonicalJson,
  encodeAdapter,
  encodeUpdate,
  handshakeSchema,
  hashPlan,
  joinSchema,
  joinedSchema,
  leaveSchema,
  offerSchema,
  publicRunSchema,
  roundEndSchema,
  roundRecordSchema,
  roundStartSchema,
  runStateSchema,
  updateReceiptSchema,
  updateSchema,
} from '@chorale/protocol';
import type { Binding, RunPlan } from '@chorale/protocol';
import { DEFAULT_LIMITS } from './access/limits.ts';
import { HTTP_STATUS } from './http/httpErrors.ts';
import { CONTRIBUTOR_EVENTS } from './sockets/eventLimits.ts';
import { PROTOCOL_DOC, blockIn, fieldsOf, sectionOf, tableIn } from './testing/protocolDoc.ts';

/** First two columns: fields and types are the schema's; what they mean is for people. */
const fieldsIn = (text: string) => tableIn(text, 'field|type|meaning').map((row) => row.slice(0, 2));

/** Everything fenced in a section, parsed. */
const examplesIn = (text: string) =>
  [...text.matchAll(/^```json\n([^]*?)^```$/gm)].map(([, json]) => JSON.parse(json!) as unknown);

const MESSAGES: Record<string, z.ZodType> = {
  '`join`': joinSchema,
  '`availability`': availabilitySchema,
  '`offer`': offerSchema,
  '`update`': updateSchema,
  '`round:start`': roundStartSchema,
  '`round:end`': roundEndSchema,
  '`round:record`': roundRecordSchema,
  '`run:state`': runStateSchema,
};

describe('docs/protocol.md, messages', () => {
  it.each(Object.entries(MESSAGES))(
    '%s has exactly the fields of its schema, and an example of it',
    (name, schema) => {
      const section = sectionOf(`#### ${name}`);
      expect(fieldsIn(section)).toEqual(fieldsOf(schema));
      expect(schema.safeParse(examplesIn(section)[0]).error).toBeUndefined();
    },
  );

  it('has every event, and no other', () => {
    const named = [...PROTOCOL_DOC.matchAll(/^#### `(.+)`$/gm)].map(([, name]) => name!);
    const fromClient = named.filter((name) => !name.includes(':'));
    expect(fromClient.toSorted()).toEqual([...CONTRIBUTOR_EVENTS].toSorted());
    expect(named.toSorted()).toEqual(
      [...Object.keys(MESSAGES).map((name) => name.slice(1, -1)), 'leave'].toSorted(),
    );
    expect(sectionOf('#### `leave`')).toContain('No fields: `{}`');
    expect(fieldsOf(leaveSchema)).toEqual([]);
  });

  it('has the handshake, and what join and update answer', () => {
    const handshake = sectionOf('## Handshake and join');
    expect(fieldsIn(handshake)).toEqual(fieldsOf(handshakeSchema));
    for (const example of examplesIn(handshake))
      expect(handshakeSchema.parse(example).protocolVersion).toBe(PROTOCOL_VERSION);
    expect(examplesIn(handshake)).toHaveLength(2);
    const [, joined] = sectionOf('#### `join`').split("Its answer's value:");
    expect(fieldsIn(joined!)).toEqual(fieldsOf(joinedSchema, { state: 'run state' }));
    const [, receipt] = sectionOf('#### `update`').split('The answer comes');
    expect(fieldsIn(receipt!)).toEqual(fieldsOf(updateReceiptSchema));
    expect(examplesIn(receipt!)).toMatchObject([
      { ok: true, value: updateReceiptSchema.parse({ round: 3, duplicate: false }) },
    ]);
  });

  it('has what the public route answers', () => {
    const whole = { run: 'resolved run', state: 'run state', rounds: 'list of round record' };
    expect(fieldsIn(sectionOf('### Over HTTP'))).toEqual(fieldsOf(publicRunSchema, whole));
    expect(PROTOCOL_DOC).toContain(`namespace \`${CONTRIBUTE_NAMESPACE}\``);
  });

  it('refuses handshakes with codes that there are, each once', () => {
    const rows = tableIn(sectionOf('## Handshake and join'), 'code|because|do');
    const codes = rows.flatMap(([cell]) => [...cell!.matchAll(/`(\w+)`/g)].map(([, code]) => code!));
    expect(codes.length).toBeGreaterThan(5);
    expect(new Set(codes).size).toBe(codes.length);
    expect(Object.keys(ERROR_CODES)).toEqual(expect.arrayContaining(codes));
  });
});

describe('docs/protocol.md, error codes', () => {
  it('has every code, its HTTP status, whether it is retryable, and what it means', () => {
    const rows = tableIn(sectionOf('## Error codes'), 'code|HTTP|retryable|meaning|what a client does');
    expect(rows.map((row) => row.slice(0, 4))).toEqual(
      Object.entries(ERROR_CODES).map(([code, { retryable, meaning }]) => [
        `\`${code}\``,
        String(HTTP_STATUS[code as keyof typeof ERROR_CODES]),
        retryable ? 'yes' : 'no',
        meaning,
      ]),
    );
    for (const row of rows) expect(row[4]).not.toBe('');
  });
});

describe('docs/protocol.md, limits', () => {
  it('says the defaults', () => {
    const rows = tableIn(sectionOf('### Limits a client meets'), 'what|limit|over it');
    const of = (what: string) => rows.find(([first]) => first === what)?.[1];
    const limits = DEFAULT_LIMITS;
    const perSecond = limits.messagesPerSecond;
    expect(of('events of one socket')).toContain(`${perSecond} a second, ${10 * perSecond} at once`);
    expect(of('bytes of one socket')).toContain(`${limits.bytesPerMinute / 2 ** 20} MiB a minute`);
    expect(of('open sockets of one address')).toBe(String(limits.connectionsPerAddress));
    expect(of('new contributors of one address')).toBe(`${limits.joinsPerAddressPerHour} an hour`);
    expect(of('requests and handshakes of one address')).toBe(
      `${limits.requestsPerMinutePerAddress.toLocaleString('en')} a minute`,
    );
  });
});

describe('docs/protocol.md, bytes', () => {
  const section = sectionOf('## Update and adapter bytes');
  const rows = tableIn(section, 'offset|bytes|what');
  /** Offset and size of the row that begins so. */
  const at = (what: string): [offset: number, size: number] => {
    const [offset, size] = rows.find(([, , text]) => text!.startsWith(what))!;
    return [Number(offset), Number(size)];
  };
  const binding: Binding = {
    planHash: 'ab'.repeat(32),
    basisHash: 'cd'.repeat(32),
    parameterCount: 3,
    tensors: [
      { name: 'a', count: 2 },
      { name: 'b', count: 1 },
    ],
    trainedRanges: [{ start: 0, end: 3 }],
    encoding: 'int8',
  };
  const privatized = { values: Float32Array.of(1, -1, 0.5) } as unknown as Privatized<Float32Array>;
  const update = encodeUpdate(privatized, 7, binding);
  const slice = (bytes: Uint8Array, what: string): Uint8Array => {
    const [offset, size] = at(what);
    return bytes.subarray(offset, offset + size);
  };
  const uint = (bytes: Uint8Array): number => bytes.reduceRight((sum, byte) => 256 * sum + byte, 0);

  it('leaves no gap between the fixed fields', () => {
    let next = 0;
    for (const [offset, size] of rows.slice(0, 11)) {
      expect(Number(offset)).toBe(next);
      next += Number(size);
    }
    expect(next).toBe(Number(rows[11]![0]));
  });

  it('finds each field of an update where the codec wrote it', () => {
    expect(new TextDecoder().decode(slice(update, 'magic'))).toBe('CHRU');
    expect(uint(slice(update, 'layout version'))).toBe(Number(/layout version: (\d+)/.exec(section)![1]));
    expect(uint(slice(update, 'encoding'))).toBe(Number(/(\d) = int8/.exec(section)![1]));
    expect(uint(slice(update, 'what follows'))).toBe(0);
    expect(uint(slice(update, 'round of an update'))).toBe(7);
    expect(uint(slice(update, 'number of values'))).toBe(3);
    expect(uint(slice(update, 'number of scales'))).toBe(2);
    expect(Buffer.from(slice(update, 'plan hash')).toString('hex')).toBe(binding.planHash);
    expect(Buffer.from(slice(update, 'basis hash')).toString('hex')).toBe(binding.basisHash);
    const scales = Number(rows[11]![0]);
    expect(update).toHaveLength(scales + 2 * 4 + 3);
    const view = new DataView(update.buffer);
    expect(view.getInt8(scales + 8) * view.getFloat32(scales, true)).toBeCloseTo(1, 1);
    expect(view.getInt8(scales + 10) * view.getFloat32(scales + 4, true)).toBeCloseTo(0.5, 1);
  });

  it('finds each field of an adapter, and of other encodings', () => {
    const adapter = encodeAdapter(Float32Array.of(1, 2, 3), 5, binding);
    expect(new TextDecoder().decode(slice(adapter, 'magic'))).toBe('CHRA');
    expect(uint(slice(adapter, 'encoding'))).toBe(0);
    expect(uint(slice(adapter, 'round of an update, version of an adapter'))).toBe(5);
    expect(new DataView(adapter.buffer).getFloat32(Number(rows[11]![0]) + 4, true)).toBe(2);
    for (const encoding of ['f32', 'f16'] as const) {
      const bytes = encodeUpdate(privatized, 7, { ...binding, encoding });
      const id = Number(new RegExp(`(\\d) = ${encoding}`).exec(section)![1]);
      expect(uint(slice(bytes, 'encoding'))).toBe(id);
      expect(bytes).toHaveLength(encoding === 'f32' ? 88 + 12 : 88 + 8 + 6);
    }
  });
});

describe('docs/protocol.md, the plan hash', () => {
  it('has a vector that the code agrees with', async () => {
    const { value, canonical, sha256 } = JSON.parse(blockIn(sectionOf('### The plan hash'))) as {
      value: unknown;
      canonical: string;
      sha256: string;
    };
    expect(canonicalJson(value)).toBe(canonical);
    expect(createHash('sha256').update(canonical).digest('hex')).toBe(sha256);
    expect(await hashPlan(value as RunPlan)).toBe(sha256);
  });
});
