import type { Html } from './html.ts';
import { html } from './html.ts';

export type Column<Row> = { header: string; cell: (row: Row) => string | number };

/**
 * A table that scrolls inside its frame, which the keyboard can reach.
 * @param foot a last row of the same columns, or null
 */
export function table<Row>(
  caption: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  foot: readonly string[] | null = null,
): Html {
  const [first, ...rest] = columns;
  if (first === undefined) return html``;
  const tall = rows.length > 14 ? ' tall' : '';
  return html`<div class="scroll${tall}" role="region" tabindex="0" aria-label="${caption}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ header }) => html`<th scope="col">${header}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              <th scope="row">${first.cell(row)}</th>
              ${rest.map(({ cell }) => html`<td>${cell(row)}</td>`)}
            </tr>`,
        )}
      </tbody>
      ${
        foot === null
          ? html``
          : html`<tfoot>
              <tr>
                ${foot.map((cell) => html`<td>${cell}</td>`)}
              </tr>
            </tfoot>`
      }
    </table>
  </div>`;
}
