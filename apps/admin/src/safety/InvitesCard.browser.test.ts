import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { page } from 'vitest/browser';
import { createFakeSource } from '../dev/fakeSource.ts';
import { InvitesCard } from './InvitesCard.tsx';

let root: Root;

beforeEach(() => {
  const place = document.createElement('main');
  document.body.append(place);
  root = createRoot(place);
});
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
});

function show(source: ReturnType<typeof createFakeSource>, joined = 0): void {
  root.render(createElement(InvitesCard, { runId: 'r', source, first: joined === 0, joined }));
}

test('an invite is made, its link is shown once, and it can be withdrawn', async () => {
  const source = createFakeSource(null);
  show(source);
  await expect.element(page.getByText('Night shift')).toBeVisible();
  await page.getByLabelText('For whom').fill(' Late shift ');
  await page.getByLabelText('People').fill('3');
  await page.getByRole('button', { name: 'Make an invite' }).click();
  const link = page.getByLabelText('The link, shown only now');
  await expect.element(link).toBeVisible();
  expect((link.element() as HTMLInputElement).value).toContain('#invite=');
  const row = page.getByRole('row', { name: /Late shift/ });
  await expect.element(row).toHaveTextContent('0 of 3');
  await expect.element(page.getByLabelText('For whom')).toHaveValue('');

  await row.getByRole('button', { name: 'Withdraw' }).click();
  await row.getByRole('button', { name: 'Withdraw it' }).click();
  await expect.element(row).toHaveTextContent('withdrawn');
  await expect.element(link).not.toBeInTheDocument();
});

test('a number of people that is none is refused before anything is sent', async () => {
  const source = createFakeSource(null);
  const createInvite = vi.spyOn(source, 'createInvite');
  show(source);
  for (const wrong of ['0', '1.5', 'many', '']) {
    await page.getByLabelText('People').fill(wrong);
    await page.getByRole('button', { name: 'Make an invite' }).click();
    await expect.element(page.getByText('A whole number from 1 to 100,000.')).toBeVisible();
  }
  expect(createInvite).not.toHaveBeenCalled();
});

test('what the server refuses is said in place; somebody who joins brings the list up to date', async () => {
  const source = createFakeSource(null);
  vi.spyOn(source, 'createInvite').mockRejectedValue(new Error('the run is completed'));
  const invites = vi.spyOn(source, 'invites');
  show(source);
  await expect.element(page.getByText('Night shift')).toBeVisible();
  await page.getByRole('button', { name: 'Make an invite' }).click();
  await expect.element(page.getByRole('alert')).toHaveTextContent('the run is completed');
  const before = invites.mock.calls.length;
  invites.mockRejectedValue(new Error('The server does not answer.'));
  show(source, 1);
  await expect.element(page.getByText('The server does not answer.')).toBeVisible();
  expect(invites.mock.calls.length).toBe(before + 1);
  // What was known stays
  await expect.element(page.getByText('Night shift')).toBeVisible();
});
