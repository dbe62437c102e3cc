import { expect, it } from 'vitest';
import type { AuditEntry } from '@chorale/protocol';
import { AUDITED_ACTS, auditEntrySchema } from '@chorale/protocol';
import { chainAuditEntry, verifyAuditChain } from './auditChain.ts';
import { auditEntry } from './testing/storeRows.ts';

function chainOf(count: number): AuditEntry[] {
  const chain: AuditEntry[] = [];
  for (let n = 1; n <= count; n += 1) chain.push(chainAuditEntry(chain.at(-1), auditEntry(`act ${n}`)));
  return chain;
}

const CHAIN = chainOf(5);

it('is intact as it was written, in either order and in stretches', () => {
  for (const entries of [CHAIN, CHAIN.toReversed(), CHAIN.slice(1, 4), []]) {
    expect(verifyAuditChain(entries)).toEqual({ intact: true });
  }
  for (const entry of CHAIN) auditEntrySchema.parse(entry);
});

/** Each field as somebody might change it. */
const CHANGES: Partial<Record<keyof AuditEntry, AuditEntry[keyof AuditEntry][]>> = {
  sequence: [30],
  at: [5, 0],
  act: AUDITED_ACTS.filter((act) => act !== 'pause'),
  actor: [null, '0123abce'],
  address: [null, '127.0.0.2'],
  runId: [null, 'run-2'],
  detail: ['', 'act 3 '],
  previousHash: ['0'.repeat(64)],
  hash: ['0'.repeat(64)],
};

it('is broken by a change in any field', () => {
  expect(Object.keys(CHANGES).toSorted()).toEqual(Object.keys(CHAIN[2]!).toSorted());
  for (const [field, values] of Object.entries(CHANGES)) {
    for (const value of values) {
      const changed = { ...CHAIN[2]!, [field]: value };
      const { intact } = verifyAuditChain(CHAIN.with(2, changed));
      expect({ field, value, intact }).toEqual({ field, value, intact: false });
    }
  }
});

it('is broken by a change whose hash was made anew', () => {
  const forged = chainAuditEntry(CHAIN[1], auditEntry('nothing happened'));
  expect(verifyAuditChain(CHAIN.with(2, forged))).toMatchObject({ intact: false, sequence: 4 });
});

it('is broken by an entry that was taken out or comes twice', () => {
  expect(verifyAuditChain(CHAIN.toSpliced(2, 1))).toMatchObject({ intact: false, sequence: 4 });
  expect(verifyAuditChain(CHAIN.toSpliced(2, 0, CHAIN[2]!))).toMatchObject({ intact: false, sequence: 3 });
});

it('is broken by a first entry that is none', () => {
  const [, second] = chainOf(2);
  const posing = chainAuditEntry({ ...second!, sequence: 0 }, auditEntry('start'));
  expect(posing.sequence).toBe(1);
  expect(verifyAuditChain([posing])).toMatchObject({ intact: false, sequence: 1 });
});

it('holds the fields of an entry only', () => {
  const more = { ...auditEntry('one'), secret: 'not to be written' };
  expect(chainAuditEntry(undefined, more)).toEqual(chainAuditEntry(undefined, auditEntry('one')));
});
