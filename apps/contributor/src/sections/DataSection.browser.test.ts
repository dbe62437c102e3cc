import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import type { Root } from 'react-dom/client';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { page, userEvent } from 'vitest/browser';
import '@chorale/ui/styles.css';
import { App } from '../App.tsx';
import { createFakeController } from '../dev/fakeController.ts';

let root: Root;

const open = (variant: string) => {
  const place = document.createElement('div');
  document.body.append(place);
  root = createRoot(place);
  root.render(createElement(App, { controller: createFakeController(variant), unknownBackend: null }));
};
afterEach(() => {
  root.unmount();
  document.body.replaceChildren();
});

const use = page.getByRole('button', { name: 'Use these rows' });
const LINES = ['text_a,text_b,label', 'a film,it is good,positive', 'a story,,negative', 'one,two,negative'];

test('a run on single texts asks for one text column', async () => {
  open('private');
  await page.getByLabelText('Or paste rows').fill('text,label\na film,positive\nanother,negative');
  await expect.element(page.getByLabelText('Text column', { exact: true })).toHaveValue('text');
  await expect
    .element(page.getByText('Of each row the text “text” and the label “label” are used.'))
    .toBeVisible();
  await expect.element(page.getByLabelText('Second text column')).not.toBeInTheDocument();
});

describe('a run on pairs', () => {
  beforeEach(async () => {
    open('pairs');
    await expect
      .element(page.getByText(/A table with two texts that belong together and one label in each row/))
      .toBeVisible();
    const paste = page.getByLabelText('Or paste rows');
    await expect.element(paste).toHaveAttribute('placeholder', 'text_a,text_b,label');
    await paste.fill(LINES.join('\n'));
  });

  test('three columns are chosen, both texts are shown and what is used is said', async () => {
    await expect.element(page.getByLabelText('First text column')).toHaveValue('text_a');
    await expect.element(page.getByLabelText('Second text column')).toHaveValue('text_b');
    const preview = page.getByRole('table', { name: 'The first 3 rows' });
    await expect.element(preview.getByText('it is good')).toBeVisible();
    await expect
      .element(
        page.getByText(
          'Of each row the texts “text_a” and “text_b”, in this order, and the label “label” are used.',
        ),
      )
      .toBeVisible();
    await use.click();
    await expect.element(page.getByRole('heading', { name: '2 rows of 3 will be used' })).toBeVisible();
    await expect
      .element(page.getByText('2 pairs are longer than 64 tokens, both texts together, and will be cut'))
      .toBeVisible();
  });

  test('by keyboard: a missing column and one chosen twice are said beside it, and mended', async () => {
    const second = page.getByLabelText('Second text column');
    await second.selectOptions('');
    (use.element() as HTMLButtonElement).focus();
    await userEvent.keyboard('{Enter}');
    await expect.element(second).toHaveAccessibleDescription('Choose a column.');
    await second.selectOptions('text_a');
    await expect
      .element(second)
      .toHaveAccessibleDescription('The two texts and the label must be three different columns.');
    await expect.element(page.getByText('Of each row')).not.toBeInTheDocument();
    await expect.element(page.getByRole('heading', { name: /will be used/ })).not.toBeInTheDocument();
    await second.selectOptions('text_b');
    (second.element() as HTMLSelectElement).focus();
    await userEvent.keyboard('{Tab}{Tab}{Enter}');
    await expect.element(page.getByRole('heading', { name: '2 rows of 3 will be used' })).toBeVisible();
    await second.selectOptions('label');
    await expect.element(page.getByText(/apply your new choice of columns/)).toBeVisible();
  });
});
