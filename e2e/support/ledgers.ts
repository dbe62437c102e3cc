import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { openSqliteStore } from '@chorale/store';
import { fetchDetail } from './adminApi.ts';
import type { Addresses, ServerUnderTest } from './server.ts';
import type { Tab } from './tab.ts';

/** One line of the ledger that a browser keeps. */
export type BrowserEntry = { round: number; outcome: string; payload: string | null };

/** SHA-256 in hexadecimal. */
export function shaOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** What the browser itself has stored of a run; bytes as their SHA-256. */
export async function browserLedger(page: Page, runId: string): Promise<BrowserEntry[]> {
  const entries = await page.evaluate(async (wanted) => {
    const database = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open('chorale');
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error!));
    });
    const all = await new Promise<unknown[]>((resolve, reject) => {
      const store = database.transaction('ledger').objectStore('ledger');
      const request = store.getAll(IDBKeyRange.bound([wanted, 0], [wanted, Number.MAX_SAFE_INTEGER]));
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error!));
    });
    database.close();
    return all.map((one) => {
      const { round, outcome, payload } = one as BrowserEntry & { payload: Uint8Array | null };
      return { round, outcome, bytes: payload && [...(payload as unknown as Uint8Array)] };
    });
  }, runId);
  return entries.map(({ round, outcome, bytes }) => ({
    round,
    outcome,
    payload: bytes && shaOf(Uint8Array.from(bytes)),
  }));
}

/** The rounds that the server's copy charges each contributor, read from its database. */
export function serverCharges(server: ServerUnderTest, runId: string): number[][] {
  const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
  try {
    return store
      .listContributors(runId)
      .map(({ contributorId }) => store.chargedRounds(runId, contributorId));
  } finally {
    store.close();
  }
}

/** SHA-256 of the updates that the server has stored of a round. */
export function storedUpdates(server: ServerUnderTest, runId: string, round: number): string[] {
  const store = openSqliteStore(join(server.dataDir, 'chorale.sqlite'));
  try {
    return [...store.eachUpdate(runId, round)].map(({ bytes }) => shaOf(bytes));
  } finally {
    store.close();
  }
}

/** What the page says was spent. */
export async function shownEpsilon({ page }: Tab): Promise<number> {
  return Number(await page.locator('[data-spent-epsilon]').getAttribute('data-spent-epsilon'));
}

/**
 * Page, browser and server say the same: these rounds were released by the one contributor there is, no more, no less.
 * @returns what they cost
 */
export async function expectOneAccount(
  tab: Tab,
  serving: Addresses & { server: ServerUnderTest },
  rounds: readonly number[],
): Promise<number> {
  const { server, runId } = serving;
  await expect
    .poll(async () => (await browserLedger(tab.page, runId)).map(({ round }) => round))
    .toEqual(rounds);
  await expect.poll(() => serverCharges(server, runId)).toEqual([rounds]);
  const { contributors } = await fetchDetail(serving);
  expect(contributors).toMatchObject([{ chargedRounds: rounds.length }]);
  const spent = contributors[0]!.spentEpsilon!;
  await expect.poll(() => shownEpsilon(tab)).toBe(spent);
  if (rounds.length === 0) expect(spent).toBe(0);
  else expect(spent).toBeGreaterThan(0);
  return spent;
}
