import { describe, expect, test } from 'vitest';
import { dpSgdEvent } from '../dpSgdEvent.ts';
import { noiseMultiplierFor } from './calibration.ts';
import { DirectedProfile } from './directedProfile.ts';
import { dpReference, printCoverage } from './dpReference.fixture.ts';
import type { DpReference } from './dpReference.fixture.ts';
import { gaussianDelta, gaussianEpsilon } from './gaussianProfile.ts';
import { pldDelta, pldEpsilon } from './pldAccountant.ts';
import { RDP_ORDERS, epsilonOfRdp, rdpEpsilon, rdpOfEvent } from './rdpAccountant.ts';
import { reportedEpsilon } from './reportedEpsilon.ts';

/*
 * Every entry of ../shared/reference/dp.json of a kind that we support. The orders of Rényi accounting are looked at in
 * sampledGaussianRdp.test.ts. Other files hold copies of the important values, for checkouts without the reference.
 */

/** What is promised of the reported epsilon, where the tight value itself is known to tightError. */
function expectTight(epsilon: number, tight: number, tightError = 0): void {
  expect(epsilon).toBeGreaterThan(tight - tightError - 1e-6);
  expect(epsilon).toBeLessThan(tight + tightError + Math.max(0.002 * tight, 5e-4));
}

type Literal = DpReference['literals'][number];

/** Why an entry is about something that Chorale does not have; null when it is not. */
function whyNot({ method, adjacency, mechanism, steps: count, q }: Literal): string | null {
  if (method.includes('truncated Poisson')) return 'we never truncate a batch';
  if (mechanism !== undefined) return 'no such mechanism: mixture of Gaussians';
  if (adjacency === 'replace' && (q ?? 1) < 1 && count !== undefined)
    return 'sampled steps are accounted for zero-out, not for replacing an example';
  return null;
}

/** A number inside of "tight value 6.7670444, so …" */
function tightValueIn(text: number | string | undefined): number | null {
  const found = /tight (?:value )?([\d.]+\d)/.exec(String(text));
  return found ? Number(found[1]) : null;
}

/** A number of ours and where the reference says it must lie. */
type Check = { what: string; ours: number; above: number; below: number };

function checksOf(entry: Literal): Check[] {
  const { kind, method, value, q = 1, sigma = Number.NaN, steps: count = 1, delta = Number.NaN } = entry;
  const tolerance = typeof entry.tolerance === 'number' ? entry.tolerance : 1e-4 * value;
  const tight = tightValueIn(entry.own_recomputation) ?? tightValueIn(entry.note);
  // Rows of large numbers are given to ten digits.
  const room = Math.max(tolerance, 1e-9 * value);
  const checks: Check[] = [];
  const check = (what: string, ours: number, above: number, below: number) =>
    checks.push({ what, ours, above, below });

  switch (kind) {
    case 'eps': {
      if (method.startsWith('RDP -> eps')) {
        const orders = Array.from({ length: 31 }, (_, i) => i + 2);
        const epsilon = epsilonOfRdp(new Float64Array(31).fill(1.1), orders, delta);
        check('conversion', epsilon, value - tolerance, value + tolerance);
        break;
      }
      const { epsilon, rdpEpsilon: byRdp } = reportedEpsilon(dpSgdEvent(q, sigma, count), delta);
      if (method === 'PLD') check('epsilon', epsilon, value - 5e-4, value + Math.max(5e-4, 0.002 * value));
      // Rényi accounting, moments accountant, upper end of an interval: bounds that ours may only undercut.
      else check('epsilon', epsilon, 0, value + room);
      if (tight !== null) {
        check('epsilon', epsilon, tight - 2e-6, tight + Math.max(0.002 * tight, 5e-4));
      }
      if (method.startsWith('RDP')) {
        // More orders than others have can only lower it; Google's fractional orders are up to 2 % too high.
        check('Rényi accounting', byRdp, 0, value + room);
        const order = /optimal order ([\d.]+)/.exec(entry.note ?? '')?.[1];
        const orders = order === undefined ? RDP_ORDERS : [Number(order)];
        const atOrder = epsilonOfRdp(rdpOfEvent(dpSgdEvent(q, sigma, count), orders), orders, delta);
        check(`order ${order}`, atOrder, value * (order === undefined ? 0.98 : 1 - 2e-6), value + room);
      }
      break;
    }
    case 'delta': {
      const { adjacency, eps = Number.NaN } = entry;
      const computed =
        adjacency === 'add' || adjacency === 'remove'
          ? new DirectedProfile([{ samplingRate: q, noiseMultiplier: sigma, count }], adjacency).delta(eps)
          : pldDelta(dpSgdEvent(q, sigma, count), eps);
      const exact = typeof entry.own_recomputation === 'number' ? entry.own_recomputation : value;
      check(
        'their tolerance',
        value,
        exact - Math.max(tolerance, 1e-3 * exact),
        exact + Math.max(tolerance, 1e-3 * exact),
      );
      check('delta', computed, exact * (1 - 1e-6), exact * (1 + 5e-4));
      break;
    }
    case 'sigma': {
      const noise = entry.note?.includes('sensitivity 6') ? value / 6 : value;
      const { target_eps: epsilon = Number.NaN } = entry;
      if (method === 'analytic Gaussian') {
        check(
          'delta',
          gaussianDelta(Math.sqrt(count) / noise, epsilon),
          delta * (1 - 1e-6),
          delta * (1 + 1e-6),
        );
        break;
      }
      const ours = noiseMultiplierFor((each) => dpSgdEvent(q, each, count), epsilon, delta);
      // Theirs are calibrated for epsilons up to 0.01 (PRV) or a third (RDP) too high, ours for at most 0.2 %.
      const least = method.startsWith('RDP') ? 0.9 : 0.995;
      check('noise', ours, noise * least, noise + 1e-4 + tolerance);
      break;
    }
    case 'rdp': {
      const [ours = Number.NaN] = rdpOfEvent(dpSgdEvent(q, sigma, count), [entry.order!]);
      if (method.includes('UPPER')) check('RDP', ours, value * 0.95, value);
      else check('RDP', ours, value * (1 - 1e-4), value * (1 + 1e-4));
      break;
    }
  }
  return checks;
}

describe.skipIf(dpReference === null)('all of ../shared/reference/dp.json', () => {
  const reference = dpReference!;

  test('literals: numbers from papers and from the tests of other libraries', () => {
    const skipped = reference.literals.filter((entry) => whyNot(entry) !== null);
    const used = reference.literals.filter((entry) => whyNot(entry) === null);
    for (const entry of used) {
      const checks = checksOf(entry);
      expect(checks).not.toEqual([]);
      for (const { what, ours, above, below } of checks) {
        expect(ours, `${entry.id}: ${what}`).toBeGreaterThan(above);
        expect(ours, `${entry.id}: ${what}`).toBeLessThan(below);
      }
    }
    printCoverage(
      `${used.length} of ${reference.literals.length} literals checked; not: ` +
        skipped.map((entry) => `${entry.id} (${whyNot(entry)})`).join(', '),
    );
    expect(used.length).toBeGreaterThanOrEqual(30);
    expect(skipped.length).toBeLessThanOrEqual(8);
  });

  test('library_runs: tight, under the bounds of the other libraries', () => {
    const { rows, adjacency } = reference.library_runs;
    expect(rows.length).toBeGreaterThan(10);
    for (const row of rows) {
      const epsilon = pldEpsilon(dpSgdEvent(row.q, row.sigma, row.steps), row.delta);
      expectTight(epsilon, row.own_extrapolated, 1e-6);
      expect(epsilon).toBeLessThan(row['google_pld_1e-4'] * (1 + 2e-4));
      expect(epsilon).toBeLessThan(row.opacus_prv_upper);
      expect(epsilon).toBeLessThan(row.opacus_rdp[0]);
      if (row.prv_accountant_low_est_up === null) continue;
      const [lower, , upper] = row.prv_accountant_low_est_up;
      expect(epsilon).toBeGreaterThan(lower);
      expect(epsilon).toBeLessThan(upper);
    }
    for (const row of adjacency) {
      const epsilon = pldEpsilon(dpSgdEvent(row.q, row.sigma, row.steps), row.delta);
      expectTight(epsilon, row.zero_out, 3e-6);
      expect(epsilon).toBeLessThan(row.replace);
    }
    printCoverage(
      `library_runs: ${rows.length} rows and ${adjacency.length} adjacencies (zero-out) checked; ` +
        'not: truncated_poisson (we never truncate), sampled_without_replacement (no such sampling)',
    );
  });

  test('derived: Gaussian, one step, two steps, many steps', () => {
    const { derived } = reference;
    for (const row of derived.gaussian_delta) {
      expect(Math.abs(gaussianDelta(Number(row.mu), Number(row.eps)) / row.delta - 1)).toBeLessThan(1e-13);
    }
    for (const row of derived.gaussian_eps) {
      const epsilon = gaussianEpsilon(Math.sqrt(row.steps) / Number(row.sigma), Number(row.delta));
      expect(Math.abs(epsilon / row.eps - 1)).toBeLessThan(1e-11);
      expect(epsilon).toBeGreaterThan(row.eps * (1 - 1e-14));
    }
    for (const row of derived.gaussian_sigma) {
      const sigma = noiseMultiplierFor(
        (noise) => dpSgdEvent(1, noise, row.steps),
        Number(row.eps),
        Number(row.delta),
      );
      expect(sigma).toBeGreaterThanOrEqual(row.sigma * (1 - 1e-12));
      expect(sigma).toBeLessThan(row.sigma + 1.01e-4);
    }
    for (const [rows, count] of [
      [derived.hockey_stick_one_step, 1],
      [derived.hockey_stick_two_steps, 2],
    ] as const) {
      for (const row of rows) {
        const step = { samplingRate: Number(row.q), noiseMultiplier: Number(row.sigma), count };
        const delta = new DirectedProfile([step], row.direction).delta(Number(row.eps));
        expect(delta).toBeGreaterThanOrEqual(row.delta * (1 - 1e-7));
        expect(delta).toBeLessThan(row.delta * (1 + 5e-4) + 2e-20);
      }
    }
    for (const row of derived.pld_tight_eps) {
      const step = { samplingRate: row.q, noiseMultiplier: row.sigma, count: row.steps };
      expectTight(new DirectedProfile([step], 'remove').epsilon(row.delta), row.eps_remove, 2e-6);
      expectTight(new DirectedProfile([step], 'add').epsilon(row.delta), row.eps_add, 2e-6);
      expectTight(pldEpsilon(dpSgdEvent(row.q, row.sigma, row.steps), row.delta), row.eps_remove, 2e-6);
    }
    for (const row of derived.gdp_clt_eps_NOT_A_BOUND) {
      expect(pldEpsilon(dpSgdEvent(row.q, row.sigma, row.steps), row.delta)).toBeGreaterThan(row.gdp);
    }
    const integerOrders = Array.from({ length: 255 }, (_, i) => i + 2);
    for (const row of derived.rdp_to_eps_integer_orders) {
      const rdp = rdpOfEvent(dpSgdEvent(Number(row.q), Number(row.sigma), row.steps), integerOrders);
      const epsilon = epsilonOfRdp(rdp, integerOrders, Number(row.delta));
      expect(Math.abs(epsilon / row.eps_improved - 1)).toBeLessThan(1e-9);
    }
    printCoverage(
      'derived: ' +
        Object.entries(derived)
          .filter(([name]) => name !== 'shuffle_lower_bound')
          .map(([name, rows]) => `${rows.length} ${name}`)
          .join(', ') +
        '; not: shuffle_lower_bound (no shuffling), eps_replace (sampled steps are accounted for zero-out)',
    );
  });

  test('calibration_derived: the same noise', () => {
    expect(reference.calibration_derived.length).toBeGreaterThan(40);
    for (const row of reference.calibration_derived) {
      const sigma = noiseMultiplierFor(
        (noise) => dpSgdEvent(row.q, noise, row.steps),
        row.target_eps,
        row.delta,
      );
      // Theirs is for an epsilon at most 2e-4 too high, rounded to 5 digits.
      expect(rdpEpsilon(dpSgdEvent(row.q, sigma, row.steps), row.delta)).toBeGreaterThan(row.target_eps);
      expect(sigma / row.sigma).toBeGreaterThan(1 - 5e-4);
      expect(sigma / row.sigma).toBeLessThan(1 + 1e-4 + 1e-4 / row.sigma);
    }
    printCoverage(`calibration_derived: all ${reference.calibration_derived.length} checked`);
  });
});
