import { useState } from 'react';
import type { ChosenColumns, TablePreview } from '@chorale/client';
import { Button, DataTable, Field } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.data;

export type ColumnChooserProps = {
  table: TablePreview;
  /** Each row has two texts: a third column is chosen. */
  textPair: boolean;
  /** What is applied now. */
  chosen: ChosenColumns | null;
  busy: boolean;
  onUse: (columns: ChosenColumns) => void;
  onRemove: () => void;
};

/** Names of columns; empty: none chosen yet. */
type Draft = Record<keyof ChosenColumns, string>;

/** The first rows as they were read, and which column is which. */
export function ColumnChooser({ table, textPair, chosen, busy, onUse, onRemove }: ColumnChooserProps) {
  const [draft, setDraft] = useState<Draft>({
    text: chosen?.text ?? table.suggestedText ?? '',
    textPair: chosen?.textPair ?? table.suggestedTextPair ?? '',
    label: chosen?.label ?? table.suggestedLabel ?? '',
  });
  const [asked, setAsked] = useState(false);

  const keys: readonly (keyof Draft)[] = textPair ? ['text', 'textPair', 'label'] : ['text', 'label'];
  const isTaken = (key: keyof Draft) =>
    keys.slice(0, keys.indexOf(key)).some((earlier) => draft[earlier] === draft[key]);
  const problemOf = (key: keyof Draft): string | null => {
    if (draft[key] === '') return text.chooseError;
    return isTaken(key) ? (textPair ? text.sameErrorPair : text.sameError) : null;
  };
  const complete = keys.every((key) => problemOf(key) === null);
  const changed = chosen !== null && keys.some((key) => (chosen[key] ?? '') !== draft[key]);

  const use = () => {
    setAsked(true);
    if (complete) onUse({ ...draft, textPair: textPair ? draft.textPair : null });
  };
  const select = (label: string, key: keyof Draft) => (
    <Field label={label} error={asked ? problemOf(key) : null}>
      {(control) => (
        <select
          {...control}
          className="ch-input"
          value={draft[key]}
          onChange={(event) => setDraft({ ...draft, [key]: event.currentTarget.value })}
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
        {select(textPair ? text.firstTextColumn : text.textColumn, 'text')}
        {textPair && select(text.secondTextColumn, 'textPair')}
        {select(text.labelColumn, 'label')}
      </div>
      {complete && (
        <p className="ch-small">
          {textPair
            ? text.usedColumnsPair(draft.text, draft.textPair, draft.label)
            : text.usedColumns(draft.text, draft.label)}
        </p>
      )}
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
