import { afterEach, describe, expect, it } from 'vitest';
import { runDetailSchema } from '@chorale/protocol';
import { unzipSync } from 'fflate';
import { TestSite, asAdmin, codeOf, getDetail, getRun, until } from './testServer.fixture.ts';
import type { RunningServer } from './server.ts';
import type { ScriptedContributor } from './testServer.fixture.ts';
import type { PricingUrgency } from './serverParts.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

const U1 = [0.1, 0.2, 0.3, 0.4];
const roundsOf = (count: number) => ({ count, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 60 });
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** An accountant that answers when it is told to. */
class HeldAccountant {
  readonly asked: { rounds: number; urgency: PricingUrgency; answer: () => void }[] = [];

  readonly priceRounds = (_plan: unknown, rounds: number, urgency: PricingUrgency) =>
    new Promise<{ epsilon: number; reason: null }>((resolve) => {
      this.asked.push({ rounds, urgency, answer: () => resolve({ epsilon: rounds / 2, reason: null }) });
    });

  urgent(): number[] {
    return this.asked.filter(({ urgency }) => urgency === 'urgent').map(({ rounds }) => rounds);
  }

  answerUrgent(): void {
    for (const { urgency, answer } of this.asked) if (urgency === 'urgent') answer();
  }
}

const closed = (server: RunningServer) =>
  until(async () => {
    const run = await getRun(server);
    return run.state.adapterVersion === 1 && run;
  }, 'the round to close');

describe('pricing a round', () => {
  it('is held up by nobody who goes on adding to her ledger', async () => {
    site = new TestSite({ rounds: roundsOf(50) });
    const accountant = new HeldAccountant();
    const server = await site.start({ priceRounds: accountant.priceRounds });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    const stranger = await site.contributor(server);
    await stranger.join({ availability: 'paused' });
    await stranger.join({ availability: 'paused', chargedRounds: upTo(20) });
    await a!.send(1, U1);
    await until(() => accountant.urgent().includes(20), 'the price of the round');
    const before = accountant.urgent();
    await stranger.join({ availability: 'paused', chargedRounds: upTo(30) });
    accountant.answerUrgent();
    const { rounds } = await closed(server);
    expect(rounds[1]).toMatchObject({ received: 1, spentEpsilon: 10 });
    // Only the next round, ahead of its end, is priced with what came meanwhile
    expect(
      accountant
        .urgent()
        .slice(before.length)
        .filter((count) => count <= 30),
    ).toEqual([]);
  });

  it('does not wait for what the admin page wants to know, even of the same count', async () => {
    site = new TestSite({ rounds: roundsOf(50) });
    const accountant = new HeldAccountant();
    const server = await site.start({ priceRounds: accountant.priceRounds });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    const stranger = await site.contributor(server);
    await stranger.join({ availability: 'paused' });
    await stranger.join({ availability: 'paused', chargedRounds: upTo(20) });
    const detail = getDetail(server);
    await until(() => accountant.asked.filter(({ urgency }) => urgency === 'background').length === 2, 'it');
    await a!.send(1, U1);
    await until(() => accountant.urgent().includes(20), 'the price of the round');
    accountant.answerUrgent();
    await closed(server);
    for (const { answer } of accountant.asked) answer();
    expect((await detail).contributors.map(({ spentEpsilon }) => spentEpsilon)).toEqual([0, 10]);
  });
});

describe('pricing for the admin page', () => {
  it('ends, whatever is charged meanwhile', async () => {
    site = new TestSite({ rounds: roundsOf(50) });
    let next = 10;
    const strangers: ScriptedContributor[] = [];
    const server = await site.start({
      priceRounds: async (_plan, rounds) => {
        // With every price asked for, one more round is charged
        if (next < 50) for (const one of strangers) await one.join({ chargedRounds: [next++] });
        return { epsilon: rounds / 2, reason: null };
      },
    });
    const stranger = await site.contributor(server);
    strangers.push(stranger);
    await stranger.join({ availability: 'paused' });
    await stranger.join({ availability: 'paused', chargedRounds: [1] });
    const { contributors } = await getDetail(server);
    expect(contributors[0]!.chargedRounds).toBe(1);
    expect(next).toBeLessThan(50);
  });

  it('says why an epsilon is not the tight one', async () => {
    site = new TestSite({ rounds: roundsOf(3) });
    const server = await site.start({
      priceRounds: async (_plan, rounds) => ({
        epsilon: rounds,
        reason: rounds === 3 ? 'Rényi accounting, because of three' : 'of another count',
      }),
    });
    expect(runDetailSchema.parse(await getDetail(server))).toMatchObject({
      plannedEpsilon: 3,
      accountingNote: 'Rényi accounting, because of three',
    });
    await site.clean();
    site = new TestSite({ rounds: roundsOf(3) });
    expect((await getDetail(await site.start())).accountingNote).toBeNull();
  });
});

describe("a downloaded adapter's card", () => {
  const cardOf = async (server: RunningServer): Promise<string> => {
    const response = await asAdmin(server, `runs/${server.runId}/adapter.zip`);
    return new TextDecoder().decode(unzipSync(new Uint8Array(await response.arrayBuffer()))['README.md']);
  };

  it('counts late updates, also those after its round, once their contributor has come back', async () => {
    site = new TestSite({ rounds: roundsOf(5) });
    const server = await site.start();
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    const late = await site.contributor(server);
    await late.join({ availability: 'paused' });
    await a!.ask('availability', { availability: 'paused' });
    await a!.send(1, U1);
    await closed(server);
    expect(await cardOf(server)).toContain('epsilon 0.5 (');
    for (const round of [1, 3, 4]) expect(codeOf(await late.send(round, U1))).toMatch(/^UPDATE_/);
    await late.join({ availability: 'paused', chargedRounds: [1, 3, 4] });
    expect(await cardOf(server)).toContain('epsilon 1.5 (');
    expect((await getRun(server)).rounds[1]!.spentEpsilon).toBe(0.5);
  });

  it('never says less than the record, and is not given without its epsilon', async () => {
    site = new TestSite({ rounds: roundsOf(5) });
    const first = await site.start();
    const [a] = await site.joined(first, 1);
    await a!.round(1);
    await a!.send(1, U1);
    await closed(first);
    await asAdmin(first, `runs/${first.runId}/stop`, { method: 'POST' });
    await site.stop(first);
    const smaller = await site.start({ priceRounds: async () => ({ epsilon: 0.25, reason: null }) });
    expect(await cardOf({ ...smaller, runId: first.runId })).toContain('epsilon 0.5 (');
    await site.stop(smaller);
    const broken = await site.start({ priceRounds: () => Promise.reject(new Error('the thread died')) });
    expect((await asAdmin(broken, `runs/${first.runId}/adapter.zip`)).status).toBe(500);
  });
});
