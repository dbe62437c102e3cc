import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { page } from 'vitest/browser';
import '@chorale/ui/styles.css';
import type { ContributorController, ContributorState, Participation } from '@chorale/client';
import { createFakeController } from '../dev/fakeController.ts';
import { ContributeSection } from './ContributeSection.tsx';

let root: Root;
let controller: ContributorController;

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
  controller = createFakeController(variant);
  await controller.loadRun();
  const state = { ...controller.getState(), participation, ...change };
  root.render(createElement(ContributeSection, { state, runState: state.runState, controller }));
}

const CONDITIONS: NonNullable<ContributorState['conditions']> = {
  choices: { battery: true, metered: true, hidden: false },
  reading: { battery: { level: 0.14, charging: false }, metered: null, hidden: false },
};

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

test('a battery that pauses is told with what to do: go on anyway, or pause by herself', async () => {
  const reason = 'this device is on battery at 14 %; it goes on when it charges';
  await show('private', { status: 'paused', by: 'battery', reason }, { conditions: CONDITIONS });
  await expect.element(page.getByRole('status')).toHaveTextContent('This device is on battery at 14 %');
  await expect.element(page.getByRole('button', { name: 'Resume' })).not.toBeInTheDocument();
  const wentOn = vi.spyOn(controller, 'goOn');
  await page.getByRole('button', { name: 'Go on anyway' }).click();
  expect(wentOn).toHaveBeenCalledOnce();
  const paused = vi.spyOn(controller, 'pause');
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  expect(paused).toHaveBeenCalledOnce();
});

test('when to contribute: each choice says what it means here, and what this browser cannot tell', async () => {
  await show('private', { status: 'waiting', reason: 'For contributors.' }, { conditions: CONDITIONS });
  await expect.element(page.getByRole('group', { name: 'When to contribute' })).toBeVisible();
  const battery = page.getByRole('checkbox', { name: 'Pause on a low battery' });
  const metered = page.getByRole('checkbox', { name: 'Pause on a connection that may cost money' });
  const hidden = page.getByRole('checkbox', { name: 'Contribute only while this tab is visible' });
  await expect.element(battery).toHaveAccessibleDescription(/Under 20 %.*Now 14 %, not charging/);
  await expect
    .element(metered)
    .toHaveAccessibleDescription(/this browser does not tell what a connection costs/);
  await expect.element(hidden).toHaveAccessibleDescription(/training goes on in the background/);
  expect([battery, metered, hidden].map((box) => (box.element() as HTMLInputElement).checked)).toEqual([
    true,
    true,
    false,
  ]);
  const chosen = vi.spyOn(controller, 'setConditions');
  await hidden.click();
  expect(chosen).toHaveBeenCalledWith({ battery: true, metered: true, hidden: true });
  await expect.element(page.getByText('It may be in the background')).toBeVisible();
  const onlyVisible = { battery: true, metered: true, hidden: true };
  const conditions = { ...CONDITIONS, choices: onlyVisible };
  await show('private', { status: 'waiting', reason: 'For contributors.' }, { conditions });
  await expect.element(page.getByText('Keep this tab open and in front.')).toBeVisible();
});

test('a lost connection says when it is tried again, outside of what is read out', async () => {
  const error = { code: 'RATE_LIMITED', message: 'expected fewer' } as const;
  await show('private', { status: 'disconnected', error, nextTryAtMs: Date.now() + 9_500 });
  await expect.element(page.getByRole('status')).toHaveTextContent('so the server asks to wait');
  await expect.element(page.getByText(/next try in (10|9|8) s/)).toBeVisible();
  await expect.element(page.getByRole('status')).not.toHaveTextContent('next try');
  await show('private', { status: 'disconnected', error, nextTryAtMs: null });
  await expect.element(page.getByText('trying now', { exact: false })).toBeVisible();
});

test('a run by invitation says what to do without a code that counts', async () => {
  await show('private', { status: 'stopped', because: 'not-invited', message: 'The invite was used up.' });
  await expect.element(page.getByRole('status')).toHaveTextContent('This run is by invitation');
  await expect.element(page.getByRole('status')).toHaveTextContent('ask whoever runs this for a new one');
  await expect.element(page.getByRole('group', { name: 'When to contribute' })).not.toBeInTheDocument();
});

test('an update that the server does not take now says why it waits', async () => {
  const sending = { status: 'sending', round: 4, payloadBytes: 49_232 } as const;
  await show('private', { ...sending, trouble: null });
  await expect.element(page.getByRole('status')).toHaveTextContent('Sending your update');
  await expect.element(page.getByRole('status')).not.toHaveTextContent('again');
  await show('private', { ...sending, trouble: { code: 'STORE_FULL', message: 'no room' } });
  await expect
    .element(page.getByRole('status'))
    .toHaveTextContent(/sent again by itself: The server has no room left to store updates/);
  await show('private', { ...sending, trouble: { code: 'TIMEOUT', message: 'No answer came.' } });
  await expect.element(page.getByRole('status')).toHaveTextContent('by itself: No answer came.');
});

test('whoever the server does not know any more starts anew only after she has said so twice', async () => {
  const message = 'The server may have been restored from an older backup.';
  await show('private', { status: 'stopped', because: 'unknown-here', message });
  const status = page.getByRole('status');
  await expect.element(status).toHaveTextContent('The server does not know you any more');
  await expect.element(status).toHaveTextContent(message);
  await expect.element(status).toHaveTextContent('what this browser has spent in this run stays counted');
  // The real one answers that the page is to be loaded again
  const startedAnew = vi.spyOn(controller, 'startAnew').mockResolvedValue(false);
  await page.getByRole('button', { name: 'Start as somebody new' }).click();
  await expect.element(page.getByText(/new rounds add to it/)).toBeVisible();
  expect(startedAnew).not.toHaveBeenCalled();
  await page.getByRole('button', { name: 'Start as somebody new' }).click();
  expect(startedAnew).toHaveBeenCalledOnce();
});

test.each([
  ['replaced', 'You contribute from somewhere else now'],
  ['run-over', 'The run is over'],
  ['run-stopped', 'The run was stopped'],
  ['refused', 'The server did not accept this device'],
] as const)('the end "%s" is headed by its own words', async (because, title) => {
  await show('private', { status: 'stopped', because, message: 'Why.' });
  await expect.element(page.getByRole('status')).toHaveTextContent(title);
  await expect.element(page.getByRole('button', { name: 'Start as somebody new' })).not.toBeInTheDocument();
});
