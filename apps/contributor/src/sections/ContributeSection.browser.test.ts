import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { page } from 'vitest/browser';
import '@chorale/ui/styles.css';
import type { ContributorState, Participation } from '@chorale/client';
import { createFakeController } from '../dev/fakeController.ts';
import { ContributeSection } from './ContributeSection.tsx';

let root: Root;

beforeEach(() => {
  const place = document.createElement('main');
  document.body.append(place);
  root = createRoot(place);
});
afterEach(async () => {
  root.unmount();
  document.body.replaceChildren();
  await page.viewport(1000, 800);
});

async function show(
  variant: string,
  participation: Participation,
  change: Partial<ContributorState> = {},
): Promise<void> {
  const controller = createFakeController(variant);
  await controller.loadRun();
  const state = { ...controller.getState(), participation, ...change };
  root.render(createElement(ContributeSection, { state, runState: state.runState, controller }));
}

test('a limit that is reached is told as what she asked for, with the shared model still to watch', async () => {
  const message = 'The next round would cost 3.465 in all; your limit is 3.';
  await show(
    'limited',
    { status: 'reading', because: 'epsilon-limit', message },
    {
      spentEpsilon: 3,
      contributions: [{ round: 5, outcome: 'accepted', spentEpsilon: 3, payloadBytes: 49_232 }],
    },
  );
  const status = page.getByRole('status');
  await expect.element(status).toHaveTextContent('Your epsilon limit is reached');
  await expect.element(status).toHaveTextContent(message);
  await expect.element(page.getByText(/1 update of yours .* You can close this tab/)).toBeVisible();
  await expect
    .element(page.getByRole('meter', { name: 'Epsilon spent' }))
    .toHaveAttribute('aria-valuemax', '3');
  await expect.element(page.getByRole('img', { name: /^Test accuracy by round/ })).toBeVisible();
  await expect.element(page.getByRole('button', { name: 'Stop' })).toBeVisible();
  await expect.element(page.getByRole('button', { name: 'Pause' })).not.toBeInTheDocument();
  await expect.element(page.getByText(/Keep this tab open/)).not.toBeInTheDocument();
  await expect.element(page.getByRole('alert')).not.toBeInTheDocument();
});

test('a run that protects nothing says so where the meter and each epsilon would stand', async () => {
  await show(
    'unprotected',
    { status: 'waiting', reason: 'For contributors.' },
    { contributions: [{ round: 3, outcome: 'accepted', spentEpsilon: null, payloadBytes: 49_232 }] },
  );
  await expect.element(page.getByText('This run protects nothing.')).toBeVisible();
  await expect.element(page.getByRole('row', { name: /accepted/ })).toHaveTextContent('no protection');
  await expect.element(page.getByRole('meter')).not.toBeInTheDocument();
});

test('a round that came back from the server is no round that was sent twice', async () => {
  await show(
    'private',
    { status: 'waiting', reason: 'For contributors.' },
    { contributions: [{ round: 2, outcome: 'restored', spentEpsilon: 1.74, payloadBytes: 0 }] },
  );
  await expect.element(page.getByRole('row', { name: /counts as sent/ })).toHaveTextContent('1.74');
  await expect.element(page.getByText(/nothing is sent again/)).toBeVisible();
});

test('on a narrow screen the rounds stack and nothing scrolls sideways', async () => {
  await page.viewport(360, 740);
  await show(
    'private',
    { status: 'waiting', reason: 'For contributors.' },
    { contributions: [{ round: 3, outcome: 'abandoned', spentEpsilon: 1.74, payloadBytes: 49_232 }] },
  );
  const table = page.getByRole('group', { name: 'Your rounds' });
  await expect.element(table).toBeVisible();
  const { scrollWidth, clientWidth } = table.element();
  expect(scrollWidth).toBe(clientWidth);
  // Stacked, it is a table still
  const spent = page.getByRole('cell', { name: '1.74' });
  const round = page.getByRole('rowheader', { name: '3', exact: true });
  const bottom = round.element().getBoundingClientRect().bottom;
  expect(spent.element().getBoundingClientRect().top).toBeGreaterThanOrEqual(bottom);
  await expect.element(page.getByRole('columnheader', { name: 'Epsilon after it' })).toBeInTheDocument();
});
