import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { page } from 'vitest/browser';
import '@chorale/ui/styles.css';
import { App } from './App.tsx';
import { createFakeController } from './dev/fakeController.ts';

let root: Root;

beforeEach(async () => {
  const place = document.createElement('div');
  document.body.append(place);
  root = createRoot(place);
  root.render(createElement(App, { controller: createFakeController('private'), unknownBackend: null }));
  await page.getByLabelText('Or paste rows').fill('text,label\na film,positive\nanother,negative');
  await page.getByRole('button', { name: 'Use these rows' }).click();
  await page.getByLabelText('I have read what leaves my device').click();
});
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
});

const status = () => document.querySelector('[data-status]')?.getAttribute('data-status');

test('limits that turn out to refuse the run after she agreed lead back to them; nothing is joined', async () => {
  await page.getByText('Set your own limits').click();
  const field = page.getByLabelText('Most epsilon in this run');
  const agree = page.getByRole('button', { name: 'I agree' });
  await expect.element(agree).toBeVisible();
  // In one go, before anybody can have computed what the limit comes to
  const input = field.element() as HTMLInputElement;
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, '0.01');
  input.dispatchEvent(new Event('input', { bubbles: true }));
  (agree.element() as HTMLButtonElement).click();

  await expect.element(field).toHaveAccessibleDescription(/One round of this run costs/);
  await expect.element(field).toHaveFocus();
  await expect.element(agree).toBeVisible();
  expect(status()).toBe('not-joined');

  await field.fill('3');
  await expect.element(page.getByText(/They allow 3 of the 12 rounds/)).toBeVisible();
  await page.getByLabelText('I have read what leaves my device').click();
  await agree.click();
  await expect.poll(status).not.toBe('not-joined');
  await expect.element(page.getByText(/of at most 3\.00/)).toBeVisible();
});
