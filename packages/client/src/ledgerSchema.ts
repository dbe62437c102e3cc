import type { DpEvent } from '@chorale/privacy';
import { parseDpEvent } from '@chorale/privacy';
import { ChoraleError } from '@chorale/protocol';
import { z } from 'zod';
import type { KeptIdentity, LedgerEntry } from './ledger.ts';
import type { Limits } from './state.ts';

const eventSchema = z.unknown().transform((value, context): DpEvent => {
  try {
    return parseDpEvent(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'no event' });
    return z.NEVER;
  }
});

const entrySchema = z.strictObject({
  round: z.int().min(1),
  event: eventSchema,
  payload: z.instanceof(Uint8Array).nullable(),
  outcome: z.enum(['pending', 'accepted', 'late', 'refused', 'restored']),
});

const identitySchema = z.strictObject({
  contributorId: z.string().min(1).nullable(),
  token: z.string().min(1),
  planHash: z.string(),
});

export const limitsSchema = z.strictObject({
  epsilonLimit: z.number().positive().nullable(),
  leastNoiseMultiplier: z.number().positive().nullable(),
  mostRounds: z.int().min(1),
});

/** @throws {ChoraleError} LEDGER_UNAVAILABLE */
export function parseEntry(value: unknown): LedgerEntry {
  return parse(entrySchema, value, 'an entry');
}

/** @throws {ChoraleError} LEDGER_UNAVAILABLE */
export function parseIdentity(value: unknown): KeptIdentity {
  return parse(identitySchema, value, 'the identity');
}

/** @throws {ChoraleError} LEDGER_UNAVAILABLE */
export function parseLimits(value: unknown): Limits {
  return parse(limitsSchema, value, 'the limits');
}

/** The event of another run's entry; what cannot be read counts as a release without protection. */
export function eventOfOther(value: unknown): DpEvent {
  const entry = entrySchema.safeParse(value);
  return entry.success ? entry.data.event : { type: 'non-private' };
}

/** A ledger that is damaged, or that a newer program wrote, tells nothing of what was spent: it fails closed. */
function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`.trim());
  throw new ChoraleError(
    'LEDGER_UNAVAILABLE',
    `What was spent in this run cannot be told: ${what} of the privacy ledger kept on this device cannot be read (${problems.join('; ')}). Nothing more is sent. Reload; if this stays, contribute these rows to this run no more, and tell the person who runs it.`,
    { cause: result.error },
  );
}
