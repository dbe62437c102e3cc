import { afterEach, describe, expect, it } from 'vitest';
import { publicRunSchema, runDetailSchema } from '@chorale/protocol';
import { unzipSync } from 'fflate';
import type { ScriptedContributor } from './testServer.fixture.ts';
import { TestSite, asAdmin, codeOf, getDetail, getRun, until } from './testServer.fixture.ts';

let site: TestSite;
afterEach(async () => {
  await site.clean();
});

const U1 = [0.1, 0.2, 0.3, 0.4];
const U2 = [0.7, -0.2, 0.5, 1];

const roundsOf = (count: number) => ({ count, cohortSize: 1, minimumUpdates: 1, deadlineSeconds: 60 });

describe("the server's copy of a ledger", () => {
  it('charges what was accepted, and gives it to a contributor who comes back with nothing but her name', async () => {
    site = new TestSite({ rounds: roundsOf(3) });
    const server = await site.start();
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    await a!.send(1, U1);
    await a!.round(2);
    await a!.send(2, U2);
    await a!.round(3);
    await site.stop(server);

    const again = await site.contributor(await site.start());
    again.identity = a!.identity;
    const joined = await again.join({ chargedRounds: [] });
    expect(joined).toMatchObject({ ok: true, value: { ...a!.identity, chargedRounds: [1, 2] } });
  });

  it('charges an update that came too late, though it does not take it; an offer of one costs nothing', async () => {
    site = new TestSite({ rounds: { ...roundsOf(5), cohortSize: 2, overSelection: 1, minimumUpdates: 1 } });
    const server = await site.start();
    const all = await site.joined(server, 3);
    const [one, two, late] = all as [ScriptedContributor, ScriptedContributor, ScriptedContributor];
    for (const member of all) await member.round(1);
    const payload = late.encode(1, U1);
    expect(await late.offer(1, payload)).toEqual({ ok: true, value: 'send' });
    // Meanwhile the round got all it wants
    await one.send(1, U1);
    await two.send(1, U1);
    await one.round(2);
    expect(codeOf(await late.ask('update', { round: 1 }, payload))).toBe('UPDATE_WRONG_ROUND');
    expect(codeOf(await late.send(4, U1))).toBe('UPDATE_WRONG_ROUND');
    const detail = runDetailSchema.parse(await getDetail(server));
    const hers = ({ contributorId }: { contributorId: string }) =>
      contributorId === late.identity!.contributorId;
    expect(detail.contributors.filter((each) => !hers(each))).toMatchObject([
      { rounds: 1, chargedRounds: 1, lastRefusal: null },
      { rounds: 1, chargedRounds: 1, lastRefusal: null },
    ]);
    expect(detail.contributors.find(hers)).toMatchObject({
      rounds: 0,
      chargedRounds: 1,
      spentEpsilon: 0.5,
      lastRefusal: null, // nothing is wrong with it
    });
    expect((await late.joinOrThrow()).chargedRounds).toEqual([1]);
  });

  it('charges what left a device though its values are refused', async () => {
    site = new TestSite({ rounds: roundsOf(5) });
    const server = await site.start();
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    const charged = async (round: number, payload: Uint8Array) => {
      const code = codeOf(await a!.sendGranted({ round }, payload));
      return [code, (await a!.joinOrThrow()).chargedRounds];
    };
    const notFinite = a!.encode(1, U1);
    new DataView(notFinite.buffer).setFloat32(notFinite.length - 4, NaN, true);
    expect(await charged(1, notFinite)).toEqual(['UPDATE_NOT_FINITE', [1]]);
    const longer = a!.encode(2, [1, 2, 3, 4, 5], { trainedRanges: [{ start: 0, end: 5 }] });
    expect(await charged(2, longer)).toEqual(['UPDATE_SIZE', [1, 2]]);
    const counts = { correct: 1, rows: 2 };
    expect(await charged(3, a!.encode(3, U1, {}, counts))).toEqual(['UPDATE_MALFORMED', [1, 2, 3]]);
    const [shown] = (await getDetail(server)).contributors;
    expect(shown).toMatchObject({ rounds: 0, chargedRounds: 3, lastRefusal: 'UPDATE_MALFORMED' });
    // … and a good one is still taken
    expect(codeOf(await a!.send(1, U1))).toBe('ok');
  });

  it('charges nothing for bytes that are no update of the run, or of a round that it does not have', async () => {
    site = new TestSite({ rounds: roundsOf(5) });
    const server = await site.start();
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    const send = (payload: Uint8Array, round = 1) => a!.sendGranted({ round }, payload);
    expect(codeOf(await send(a!.encode(1, U1, { planHash: 'f'.repeat(64) })))).toBe('UPDATE_MALFORMED');
    expect(codeOf(await send(a!.encode(1, U1, { basisHash: 'f'.repeat(64) })))).toBe('UPDATE_MALFORMED');
    expect(codeOf(await send(a!.encode(2, U1)))).toBe('UPDATE_MALFORMED');
    expect(codeOf(await send(a!.encode(1, U1).subarray(0, 79)))).toBe('UPDATE_MALFORMED');
    expect(codeOf(await a!.send(6, U1))).toBe('UPDATE_WRONG_ROUND');
    expect((await a!.joinOrThrow()).chargedRounds).toEqual([]);
  });

  it('takes over what a ledger says at joining, and never forgets it', async () => {
    site = new TestSite({ rounds: roundsOf(9) });
    const server = await site.start();
    const one = await site.contributor(server);
    await one.joinOrThrow();
    const charged = async (chargedRounds: number[]) => {
      const result = await one.join({ chargedRounds });
      return result.ok ? result.value.chargedRounds : result.error.code;
    };
    expect(await charged([3, 1])).toEqual([1, 3]);
    expect(await charged([9])).toEqual([1, 3, 9]);
    expect(await charged([])).toEqual([1, 3, 9]);
    const [contributor] = (await getDetail(server)).contributors;
    expect(contributor).toMatchObject({ rounds: 0, chargedRounds: 3, spentEpsilon: 1.5 });
  });

  it('refuses a ledger with a round that the run does not have', async () => {
    site = new TestSite({ rounds: roundsOf(9) });
    const server = await site.start();
    const one = await site.contributor(server);
    await one.joinOrThrow();
    const refused = await one.join({ chargedRounds: [1, 10] });
    expect(refused).toMatchObject({
      ok: false,
      error: { code: 'MESSAGE_INVALID', message: 'chargedRounds: expected rounds from 1 to 9, got 10' },
    });
    expect(codeOf(await one.join({ chargedRounds: [0] }))).toBe('MESSAGE_INVALID');
    expect((await getDetail(server)).contributors).toMatchObject([{ chargedRounds: 0 }]);
  });

  it('takes no ledger from somebody new, and creates nobody', async () => {
    site = new TestSite({ rounds: roundsOf(9) });
    const server = await site.start();
    const one = await site.contributor(server);
    expect(await one.join({ chargedRounds: [1] })).toMatchObject({
      ok: false,
      error: {
        code: 'MESSAGE_INVALID',
        message: expect.stringMatching(/^chargedRounds: expected none from somebody new, got 1;/) as string,
      },
    });
    const forged = { contributorId: 'nobody00', token: 'x'.repeat(43) };
    expect(codeOf(await one.join({ chargedRounds: [1], identity: forged }))).toBe('IDENTITY_INVALID');
    expect((await getDetail(server)).contributors).toEqual([]);
  });

  it('lets a ledger of thousands of rounds through, however small the updates are', async () => {
    site = new TestSite({ rounds: roundsOf(5_000) });
    const server = await site.start();
    const one = await site.contributor(server);
    await one.joinOrThrow();
    const chargedRounds = Array.from({ length: 5_000 }, (_, i) => i + 1);
    expect(await one.join({ chargedRounds })).toMatchObject({ ok: true, value: { chargedRounds } });
  });

  it('prices a round by what was charged, not by what was stored', async () => {
    site = new TestSite({ rounds: roundsOf(5) });
    const server = await site.start();
    const one = await site.contributor(server);
    await one.joinOrThrow();
    await one.join({ chargedRounds: [4, 5] });
    await one.round(1);
    await one.send(1, U1);
    const { rounds } = publicRunSchema.parse(
      await until(async () => {
        const run = await getRun(server);
        return run.state.adapterVersion === 1 && run;
      }, 'the round to close'),
    );
    expect(rounds[1]).toMatchObject({ received: 1, spentEpsilon: 1.5, localMetrics: null });
  });
});

describe('an accountant that fails', () => {
  it('is asked again, and no record is without its epsilon', async () => {
    site = new TestSite({ rounds: roundsOf(1) });
    let calls = 0;
    const server = await site.start({
      priceRounds: async (_plan, rounds) => {
        calls++;
        if (calls < 4) throw new Error('the thread died');
        return { epsilon: rounds / 2, reason: null };
      },
    });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    await a!.send(1, U1);
    const { rounds } = await until(async () => {
      const run = await getRun(server);
      return run.state.status === 'completed' && run;
    }, 'completed');
    expect(rounds[1]).toMatchObject({ received: 1, spentEpsilon: 0.5 });
    expect(site.problems.some((problem) => /could not price the round/.test(problem))).toBe(true);
  });

  it('never answers for a run without protection: it is not asked', async () => {
    site = new TestSite({ rounds: roundsOf(1), privacy: { unit: 'none' } });
    const server = await site.start({ priceRounds: () => Promise.reject(new Error('asked')) });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    await a!.send(1, U1);
    await until(async () => (await getRun(server)).state.status === 'completed', 'completed');
    const detail = runDetailSchema.parse(await getDetail(server));
    expect(detail).toMatchObject({
      plannedEpsilon: null,
      accountingNote: null,
      contributors: [{ spentEpsilon: null }],
    });
    expect(detail.rounds.map(({ spentEpsilon }) => spentEpsilon)).toEqual([null, null]);
    expect(site.problems).toEqual([expect.stringContaining('NO PRIVACY PROTECTION')]);
    const zip = await (await asAdmin(server, `runs/${server.runId}/adapter.zip`)).arrayBuffer();
    const card = new TextDecoder().decode(unzipSync(new Uint8Array(zip))['README.md']);
    expect(card).toContain('**NO PRIVACY PROTECTION');
    expect(card).not.toMatch(/epsilon/);
  });
});

describe('a contributor whose own limit is reached', () => {
  it('reads on, is not chosen, and is shown as such', async () => {
    site = new TestSite({ rounds: roundsOf(3) });
    const server = await site.start();
    const reader = await site.contributor(server);
    await reader.join({ availability: 'limit-reached' });
    await reader.join({ availability: 'limit-reached', chargedRounds: [1] });
    expect((await getRun(server)).state).toMatchObject({ status: 'recruiting', available: 0 });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    await a!.send(1, U1);
    await until(() => reader.records.some(({ round }) => round === 1), 'the record');
    expect(reader.rounds).toEqual([]);
    const summary = (await getDetail(server)).contributors.find(
      ({ contributorId }) => contributorId === reader.identity!.contributorId,
    );
    expect(summary).toMatchObject({ online: true, availability: 'limit-reached', chargedRounds: 1 });
  });

  it('can reach it in the middle of the run', async () => {
    site = new TestSite({ rounds: roundsOf(3) });
    // Who pauses in a round is waited for so long
    const server = await site.start({}, { timing: { reconnectGraceMs: 5_000 } });
    const [a] = await site.joined(server, 1);
    await a!.round(1);
    await a!.ask('availability', { availability: 'limit-reached' });
    expect((await getDetail(server)).contributors[0]).toMatchObject({ availability: 'limit-reached' });
    expect(codeOf(await a!.send(1, U1))).toBe('ok');
    await until(async () => (await getRun(server)).state.status === 'recruiting', 'the next round to wait');
    expect((await getRun(server)).state).toMatchObject({ round: 2, available: 0 });
    a!.socket.disconnect();
    await until(async () => !(await getDetail(server)).contributors[0]!.online, 'the disconnect');
    expect((await getDetail(server)).contributors[0]).toMatchObject({ availability: 'limit-reached' });
  });
});
