import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import '@chorale/ui/styles.css';
import { fakeRun } from '../dev/fakeRun.ts';
import type { FakeVariant } from '../dev/fakeRun.ts';
import { limitsOfPlan } from '../limits.ts';
import { PrivacySection } from './PrivacySection.tsx';
import type { PrivacySectionProps } from './PrivacySection.tsx';

const onLimits = vi.fn<PrivacySectionProps['onLimits']>();
const onAgree = vi.fn<() => void>();
let root: Root;

beforeEach(() => {
  onLimits.mockReset();
  onAgree.mockReset();
  const place = document.createElement('main');
  document.body.append(place);
  root = createRoot(place);
});
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
});

function show(variant: FakeVariant, change: Partial<PrivacySectionProps> = {}): void {
  const run = fakeRun(variant);
  const plannedEpsilon = variant === 'unprotected' ? null : 6;
  const limits = limitsOfPlan(run.run.plan, plannedEpsilon);
  root.render(
    createElement(PrivacySection, {
      run,
      backend: 'wasm',
      limits: { limits, problem: null, roundsAllowed: 12 },
      plannedEpsilon,
      spentEpsilon: plannedEpsilon === null ? null : 0,
      otherRunsEpsilon: null,
      ledgerProblem: null,
      accountingNote: null,
      joined: false,
      agreedAt: null,
      onLimits,
      onAgree,
      onDecline: () => undefined,
      ...change,
    }),
  );
}

const agree = () => page.getByRole('button', { name: 'I agree' });
const tick = () => page.getByLabelText(/I have read what leaves my device/).click();
const privateLimits = limitsOfPlan(fakeRun('private').run.plan, 6);

describe('her own limits', () => {
  test('stay as they are for who does not touch them', async () => {
    show('private');
    await expect.element(page.getByText('They allow all of the 12 rounds.')).toBeVisible();
    await tick();
    await agree().click();
    expect(onAgree).toHaveBeenCalledOnce();
    expect(onLimits).not.toHaveBeenCalled();
  });

  test('are set with every key, so that no press of a button comes before them', async () => {
    show('private');
    await page.getByText('Set your own limits').click();
    await page.getByLabelText('Most epsilon in this run').fill('2.5');
    await page.getByLabelText('Most rounds').fill('7');
    expect(onLimits.mock.calls).toEqual([
      [{ ...privateLimits, epsilonLimit: 2.5 }],
      [{ ...privateLimits, mostRounds: 7 }],
    ]);
  });

  test('that are no numbers are told beside the field, and stop the agreement there', async () => {
    show('private');
    await page.getByText('Set your own limits').click();
    await page.getByLabelText('Most rounds').fill('2.5');
    const field = page.getByLabelText('Most rounds');
    await expect.element(field).toHaveAccessibleDescription(/Write a whole number of at least 1/);
    await tick();
    await agree().click();
    expect(onAgree).not.toHaveBeenCalled();
    expect(onLimits).not.toHaveBeenCalled();
    await expect.element(field).toHaveFocus();
  });

  test('that the plan does not fit open by themselves with the reason at the field, and stop the agreement', async () => {
    const problem = { code: 'LIMITS_EXCEEDED', message: 'Expected more noise.' } as const;
    const limits = { ...privateLimits, leastNoiseMultiplier: 2 };
    show('private', { limits: { limits, problem, roundsAllowed: 12 } });
    const field = page.getByLabelText('Least noise multiplier');
    await expect.element(field).toBeVisible();
    await expect.element(field).toHaveAccessibleDescription(/Expected more noise\./);
    await tick();
    await agree().click();
    expect(onAgree).not.toHaveBeenCalled();
    await expect.element(field).toHaveFocus();
    await page.getByRole('button', { name: 'Back to what this run asks for' }).click();
    expect(onLimits).toHaveBeenLastCalledWith(privateLimits);
  });

  test('move the odds', async () => {
    show('private');
    await expect.element(page.getByText(/right at most 99\.76 times in 100/)).toBeVisible();
    const limits = { ...privateLimits, epsilonLimit: 1 };
    show('private', { limits: { limits, problem: null, roundsAllowed: 1 } });
    // (e + 1e-5) / (1 + e) = 0.73106
    await expect.element(page.getByText(/right at most 74 times in 100/)).toBeVisible();
    await expect.element(page.getByText('This is weak protection.')).not.toBeInTheDocument();
  });
});

test('the exact numbers say why epsilon is not the tight bound, when it is not', async () => {
  show('private');
  await page.getByText('The exact numbers').click();
  await expect.element(page.getByText(/^From privacy loss distributions/)).toBeVisible();
  show('private', { accountingNote: 'Rényi accounting, because of the test' });
  await expect.element(page.getByText('Rényi accounting, because of the test')).toBeVisible();
  await expect.element(page.getByText(/^From privacy loss distributions/)).not.toBeInTheDocument();
});

test('what was spent and cannot be read is told, until she has joined', async () => {
  const ledgerProblem = { code: 'LEDGER_UNAVAILABLE', message: 'Held by another tab.' } as const;
  show('private', { ledgerProblem, spentEpsilon: null });
  await expect.element(page.getByText(/What you spent in this run before.* cannot be read/)).toBeVisible();
  await expect.element(page.getByText('Held by another tab.')).toBeVisible();
  show('private', { ledgerProblem, spentEpsilon: null, joined: true });
  await expect.element(page.getByText('Held by another tab.')).not.toBeInTheDocument();
});

test('a run that protects nothing says so where a number would stand, and asks to agree to just that', async () => {
  show('unprotected');
  await expect.element(page.getByText(/^This run protects nothing\./)).toBeVisible();
  await expect.element(page.getByText(/There is no epsilon/)).toBeVisible();
  await expect.element(page.getByLabelText(/and that nothing protects it/)).toBeVisible();
  await expect.element(page.getByText(/times in 100/)).not.toBeInTheDocument();
  await page.getByText('Set your own limits').click();
  await expect.element(page.getByLabelText('Most rounds')).toBeVisible();
  await expect.element(page.getByLabelText(/epsilon/)).not.toBeInTheDocument();
});

test('what the unit is decides what is said about it', async () => {
  show('contributor');
  await expect.element(page.getByText(/which of two sets of rows you used/)).toBeVisible();
  await expect.element(page.getByText(/Then, once, it adds random noise/)).toBeVisible();
  await expect.element(page.getByText(/Several rows about the same person/)).not.toBeInTheDocument();
});

test('counts of own rows are told where they leave, not where things stay', async () => {
  show('counts');
  // 10 * sqrt(2)
  await expect.element(page.getByText(/Two counts a round: .* 14\.1 rows/)).toBeVisible();
  await expect.element(page.getByText(/^How many rows you have/)).not.toBeInTheDocument();
  show('private');
  await expect.element(page.getByText(/^How many rows you have/)).toBeVisible();
  await expect.element(page.getByText(/Two counts a round/)).not.toBeInTheDocument();
});

test('everything can be reached and opened by keyboard', async () => {
  show('private');
  const summary = page.getByText('Set your own limits');
  await expect.element(summary).toBeVisible();
  await userEvent.tab();
  await expect.element(summary).toHaveFocus();
  await userEvent.keyboard('{Enter}');
  await userEvent.tab();
  await expect.element(page.getByLabelText('Most epsilon in this run')).toHaveFocus();
});
