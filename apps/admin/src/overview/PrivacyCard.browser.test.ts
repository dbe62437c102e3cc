import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { page } from 'vitest/browser';
import { fakeDetail } from '../dev/fakeDetail.ts';
import { PrivacyCard } from './PrivacyCard.tsx';

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

function show(accountingNote: string | null): void {
  const detail = fakeDetail({ runId: 'r', name: 'r', status: 'training', done: 3 });
  root.render(createElement(PrivacyCard, { detail: { ...detail, accountingNote } }));
}

test('says which accountant the epsilon is of, and why when it is not the tight one', async () => {
  show(null);
  await expect.element(page.getByText('Privacy loss distributions (PLD): tight')).toBeVisible();
  show('Rényi accounting, which is up to a third too high, because delta is out of its range');
  await expect
    .element(
      page.getByText('The epsilon after all rounds is that of Rényi accounting, which is up to a third'),
    )
    .toBeVisible();
  await expect.element(page.getByText('Privacy loss distributions (PLD): tight')).not.toBeInTheDocument();
});
