import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { page } from 'vitest/browser';
import type { RunStatus } from '@chorale/protocol';
import { fakeDetail } from '../dev/fakeDetail.ts';
import { ControlsCard } from './ControlsCard.tsx';
import type { ControlsCardProps } from './ControlsCard.tsx';

const onAction = vi.fn<ControlsCardProps['onAction']>();
let root: Root;

beforeEach(() => {
  onAction.mockReset();
  onAction.mockResolvedValue();
  const place = document.createElement('main');
  document.body.append(place);
  root = createRoot(place);
});
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
});

function show(status: RunStatus, round: number): void {
  const { state } = fakeDetail({ runId: 'r', name: 'r', status, done: round - 1 });
  root.render(createElement(ControlsCard, { state, onAction }));
}

const button = (name: string) => page.getByRole('button', { name, exact: true });

test('a pause while a round is averaged says that it is coming, until it is there', async () => {
  show('aggregating', 4);
  await button('Pause run').click();
  expect(onAction).toHaveBeenCalledExactlyOnceWith('pause');
  await expect.element(button('Pausing…')).toBeVisible();
  show('evaluating', 4);
  await expect.element(button('Pausing…')).toBeVisible();
  await button('Pausing…').click({ force: true });
  expect(onAction).toHaveBeenCalledOnce();
  show('paused', 5);
  await expect.element(button('Resume run')).toBeVisible();
});

test('a pause that was taken back or refused is not announced', async () => {
  show('aggregating', 4);
  await button('Pause run').click();
  await expect.element(button('Pausing…')).toBeVisible();
  show('recruiting', 5);
  await expect.element(button('Pause run')).toBeVisible();
  show('aggregating', 5);
  await expect.element(button('Pause run')).toBeVisible();

  onAction.mockRejectedValue(new Error('It pauses or stops already.'));
  await button('Pause run').click();
  await expect.element(page.getByRole('alert')).toHaveTextContent('It pauses or stops already.');
  await expect.element(button('Pause run')).toBeVisible();
});
