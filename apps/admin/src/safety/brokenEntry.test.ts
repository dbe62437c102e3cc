import { expect, test } from 'vitest';
import { fakeAudit } from '../dev/fakeSafety.ts';
import { brokenEntry } from './brokenEntry.ts';

const entries = await fakeAudit();

test('a log as it was written has no broken entry, whole or in part', async () => {
  expect(await brokenEntry(entries)).toBeNull();
  expect(await brokenEntry(entries.slice(10, 20))).toBeNull();
  expect(await brokenEntry([])).toBeNull();
});

test('an entry that was changed, replaced or left out shows', async () => {
  const changed = entries.with(3, { ...entries[3]!, detail: 'nothing happened' });
  expect(await brokenEntry(changed)).toBe(entries[3]!.sequence);
  expect(await brokenEntry(entries.toSpliced(5, 1))).toBe(entries[4]!.sequence);
  expect(await brokenEntry(entries.with(7, entries[8]!))).toBe(entries[6]!.sequence);
});
