import { useEffect, useRef, useState } from 'react';
import type { ClientError, ContributorController, RowsState } from '@chorale/client';
import { Field, Notice, Progress } from '@chorale/ui';
import { messages } from '../messages.ts';
import { ColumnChooser } from './ColumnChooser.tsx';
import { RowsReportView } from './RowsReportView.tsx';

const text = messages.data;

/** Long enough not to read half a word, short enough not to wait for. */
const READ_AFTER_MS = 500;

export type DataSectionProps = {
  rows: RowsState;
  controller: ContributorController;
  labels: readonly string[];
  maxTokens: number;
  /** Each row has two texts, which the model reads together. */
  textPair: boolean;
  /** The rows are being trained on and cannot change any more. */
  inUse: boolean;
};

/** Section 3: give rows, choose columns, see what will be used. */
export function DataSection({ rows, controller, labels, maxTokens, textPair, inUse }: DataSectionProps) {
  // A new key empties the file input and the text area when the rows are removed.
  const [inputKey, setInputKey] = useState(0);
  const { table, report, columns } = rows;
  const remove = () => {
    controller.clearRows();
    setInputKey((key) => key + 1);
  };
  return (
    <>
      <p className="stays-line">
        <Lock />
        {text.stays}
      </p>
      {inUse ? (
        <p className="ch-muted">{text.inUse}</p>
      ) : (
        <>
          <p>{textPair ? text.introPair : text.intro}</p>
          <RowsInput key={inputKey} controller={controller} textPair={textPair} />
        </>
      )}
      {!inUse && table.status === 'loading' && <Progress label={text.reading} value={table.fraction} />}
      {!inUse && table.status === 'failed' && <DataError error={table.error} />}
      {!inUse && table.status === 'ready' && (
        <ColumnChooser
          // Another table starts with its own suggestions.
          key={JSON.stringify([table.value.name, table.value.columns, table.value.rowCount])}
          table={table.value}
          textPair={textPair}
          chosen={columns}
          busy={report.status === 'loading'}
          onUse={(choice) => void controller.chooseColumns(choice)}
          onRemove={remove}
        />
      )}
      <div role="status" className="ch-stack">
        {report.status === 'loading' && <Progress label={report.what} value={report.fraction} />}
        {report.status === 'ready' && (
          <RowsReportView
            report={report.value}
            rowCount={table.status === 'ready' ? table.value.rowCount : report.value.used}
            labels={labels}
            maxTokens={maxTokens}
            textPair={textPair}
          />
        )}
      </div>
      {report.status === 'failed' && <DataError error={report.error} />}
    </>
  );
}

function DataError({ error }: { error: ClientError }) {
  return (
    <Notice kind="error" title={text.failedTitle} announce>
      <p>{error.message}</p>
    </Notice>
  );
}

function RowsInput({ controller, textPair }: { controller: ContributorController; textPair: boolean }) {
  const [over, setOver] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | null>(null);
  const cancelTimer = () => {
    if (timer.current !== null) clearTimeout(timer.current);
  };
  useEffect(() => cancelTimer, []);

  const readFile = (file: File | null | undefined) => {
    if (file === null || file === undefined) return;
    cancelTimer();
    void controller.readFile(file);
  };
  const readText = (value: string) => {
    cancelTimer();
    timer.current = setTimeout(() => {
      if (value.trim() !== '') void controller.readText(value);
      else controller.clearRows();
    }, READ_AFTER_MS);
  };
  return (
    <div className="ch-columns">
      <div
        className={`drop ${over ? 'drop-over' : ''}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          readFile(event.dataTransfer.files.item(0));
        }}
      >
        <Field label={text.file} hint={text.fileHint}>
          {(control) => (
            <input
              {...control}
              type="file"
              accept=".csv,.tsv,.jsonl,.ndjson,.txt,text/csv,text/tab-separated-values"
              // Else choosing the same file again, mended after a refusal, would be no change and do nothing.
              onClick={(event) => {
                event.currentTarget.value = '';
              }}
              onChange={(event) => readFile(event.currentTarget.files?.item(0))}
            />
          )}
        </Field>
      </div>
      <Field label={text.paste} hint={text.pasteHint}>
        {(control) => (
          <textarea
            {...control}
            className="ch-input"
            spellCheck={false}
            placeholder={textPair ? text.pastePlaceholderPair : text.pastePlaceholder}
            onChange={(event) => readText(event.currentTarget.value)}
          />
        )}
      </Field>
    </div>
  );
}

function Lock() {
  return (
    <svg
      width="16"
      height="16"
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      aria-hidden="true"
    >
      <rect x="2.5" y="7" width="11" height="7.5" rx="1.5" fill="currentColor" />
      <path d="M5 7V5a3 3 0 0 1 6 0v2" />
    </svg>
  );
}
