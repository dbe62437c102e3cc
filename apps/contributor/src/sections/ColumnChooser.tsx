import { useState } from 'react';
import type { TablePreview } from '@chorale/client';
import { Button, DataTable, Field } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.data;

type Columns = { text: string; label: string };

export type ColumnChooserProps = {
  table: TablePreview;
  /** What is applied now. */
  chosen: Columns | null;
  busy: boolean;
  onUse: (columns: Columns) => void;
  onRemove: () => void;
};

/** The first rows as they were read, and which column is which. */
export function ColumnChooser({ table, chosen, busy, onUse, onRemove }: ColumnChooserProps) {
  const [columns, setColumns] = useState<Columns>({
    text: chosen?.text ?? table.suggestedText ?? '',
    label: chosen?.label ?? table.suggestedLabel ?? '',
  });
  const [asked, setAsked] = useState(false);

  const textError = asked && columns.text === '' ? text.chooseError : null;
  const labelError =
    asked && columns.label === ''
      ? text.chooseError
      : asked && columns.label === columns.text
        ? text.sameError
        : null;
  const changed = chosen !== null && (chosen.text !== columns.text || chosen.label !== columns.label);

  const use = () => {
    setAsked(true);
    if (columns.text !== '' && columns.label !== '' && columns.text !== columns.label) onUse(columns);
  };
  const select = (label: string, key: keyof Columns, error: string | null) => (
    <Field label={label} error={error}>
      {(control) => (
        <select
          {...control}
          className="ch-input"
          value={columns[key]}
          onChange={(event) => setColumns({ ...columns, [key]: event.currentTarget.value })}
        >
          <option value="">{text.choose}</option>
          {table.columns.map((column) => (
            <option key={column} value={column}>
              {column}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <div className="subsection">
      <h3>{text.tableTitle(table.name, table.rowCount, table.format)}</h3>
      <div className="preview">
        <DataTable
          caption={text.previewCaption(table.firstRows.length)}
          captionVisible
          columns={[
            { header: text.line, cell: (row: { cells: string[]; number: number }) => row.number },
            ...table.columns.map((column, index) => ({
              header: column,
              cell: (row: { cells: string[] }) => <span className="cell-text">{row.cells[index]}</span>,
            })),
          ]}
          rows={table.firstRows.map((cells, index) => ({ cells, number: index + 1 }))}
          rowKey={(row) => row.number}
          empty={null}
        />
      </div>
      <div className="ch-columns">
        {select(text.textColumn, 'text', textError)}
        {select(text.labelColumn, 'label', labelError)}
      </div>
      <div className="ch-row">
        <Button variant={chosen === null ? 'primary' : 'secondary'} busy={busy} onClick={use}>
          {text.use}
        </Button>
        <Button onClick={onRemove}>{text.remove}</Button>
        {changed && <span className="ch-small ch-muted">{text.notApplied}</span>}
      </div>
    </div>
  );
}
