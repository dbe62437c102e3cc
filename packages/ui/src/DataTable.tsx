import type { ReactNode } from 'react';
import { useId } from 'react';

export type Column<Row> = {
  header: string;
  /** `end` for numbers. */
  align?: 'start' | 'end';
  cell: (row: Row) => ReactNode;
};

export type DataTableProps<Row> = {
  caption: string;
  captionVisible?: boolean;
  /** The first column names the row. */
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row, index: number) => string | number;
  /** Instead of the table while there are no rows: what will be here, and what to do for it. */
  empty: ReactNode;
  /** Scrolls within a limited height. */
  tall?: boolean;
  /** On narrow screens each row becomes a block of its own with the headers beside its cells. */
  stack?: boolean;
};

/** A table that scrolls by itself on narrow screens, with the keyboard as well; or one that needs not to. */
export function DataTable<Row>({
  caption,
  captionVisible = false,
  columns,
  rows,
  rowKey,
  empty,
  tall = false,
  stack = false,
}: DataTableProps<Row>) {
  const captionId = useId();
  if (rows.length === 0) return <div className="ch-table-empty">{empty}</div>;
  return (
    <div
      className={`ch-table-wrap ${tall ? 'ch-table-tall' : ''} ${stack ? 'ch-table-stack' : ''}`}
      // No landmark: a card around it has that name already.
      role="group"
      aria-labelledby={captionId}
      // A scrolling region must be reachable by keyboard.
      tabIndex={0}
    >
      <table className="ch-table">
        <caption id={captionId} className={captionVisible ? undefined : 'ch-visually-hidden'}>
          {caption}
        </caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.header} scope="col" className={column.align === 'end' ? 'ch-end' : undefined}>
                {column.header}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={rowKey(row, index)}>
              {columns.map((column, columnIndex) => {
                const className = column.align === 'end' ? 'ch-end' : undefined;
                return columnIndex === 0 ? (
                  <th key={column.header} scope="row" className={className}>
                    {column.cell(row)}
                  </th>
                ) : (
                  <td key={column.header} className={className} data-header={column.header}>
                    {column.cell(row)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
