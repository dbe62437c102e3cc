import type { RowsReport } from '@chorale/client';
import { DataTable, Notice, formatCount } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.data;

export type RowsReportViewProps = {
  report: RowsReport;
  rowCount: number;
  labels: readonly string[];
  maxTokens: number;
  textPair: boolean;
};

/** What will be used, what is skipped and why. */
export function RowsReportView({ report, rowCount, labels, maxTokens, textPair }: RowsReportViewProps) {
  const skippedCount = report.skipped.reduce((sum, skipped) => sum + skipped.count, 0);
  if (report.used === 0) {
    return (
      <Notice kind="error" title={text.noneUsed}>
        <p>{labels.join(', ')}</p>
        <SkippedTable report={report} />
      </Notice>
    );
  }
  return (
    <div className="subsection">
      <h3>{text.report(report.used, Math.max(rowCount, report.used + skippedCount))}</h3>
      <div className="ch-columns">
        <DataTable
          caption={text.labelCounts}
          captionVisible
          columns={[
            { header: text.label, cell: (row) => row.label },
            { header: text.rows, align: 'end', cell: (row) => formatCount(row.count) },
          ]}
          rows={report.labelCounts}
          rowKey={(row) => row.label}
          empty={null}
        />
        {skippedCount > 0 && <SkippedTable report={report} />}
      </div>
      {report.cut > 0 && (
        <p className="ch-small">
          {textPair ? text.cutPair(report.cut, maxTokens) : text.cut(report.cut, maxTokens)}
        </p>
      )}
      <p className="ch-small ch-muted">{text.onlyHere}</p>
    </div>
  );
}

function SkippedTable({ report }: { report: RowsReport }) {
  return (
    <DataTable
      caption={text.skippedTitle(report.skipped.reduce((sum, skipped) => sum + skipped.count, 0))}
      captionVisible
      columns={[
        { header: text.reason, cell: (row) => row.reason },
        { header: text.rows, align: 'end', cell: (row) => formatCount(row.count) },
        { header: text.whichRows, cell: (row) => text.rowsOf(row.firstRows, row.count) },
      ]}
      rows={report.skipped}
      rowKey={(row) => row.reason}
      empty={null}
    />
  );
}
