import type { BackendCandidate, DeviceReport, DeviceTrouble, Loadable } from '@chorale/client';
import { BACKENDS } from '@chorale/protocol';
import { Button, DataTable, Notice, Progress, StatusChip, formatSentence } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.device;

export type DeviceSectionProps = {
  device: Loadable<DeviceReport>;
  /** What the address asks for, when that is no backend at all. */
  unknownBackend: string | null;
  onRetry: () => void;
};

/** Section 2: what this device offers, which of it was chosen, and why. */
export function DeviceSection({ device, unknownBackend, onRetry }: DeviceSectionProps) {
  switch (device.status) {
    case 'none':
    case 'loading':
      return <Progress label={text.loading} value={device.status === 'loading' ? device.fraction : null} />;
    case 'failed':
      return (
        <Notice kind="error" title={text.failedTitle} announce>
          <p>{device.error.message}</p>
          <p>{text.failedHelp}</p>
          <div>
            <Button onClick={onRetry}>{messages.tryAgain}</Button>
          </div>
        </Notice>
      );
    case 'ready': {
      const { candidates, backend, reason, forced, troubles } = device.value;
      return (
        <>
          {unknownBackend !== null && (
            <Notice kind="warn" title={text.unknownTitle(unknownBackend.slice(0, 40))}>
              <p>{text.unknown(BACKENDS)}</p>
            </Notice>
          )}
          <p role="status">
            <strong>{text.chosenTitle(text.shortNames[backend])}</strong> {formatSentence(reason)}
            {forced && ` ${text.forced}`}
          </p>
          <p className="ch-small ch-muted">{text.tested}</p>
          {troubles.length > 0 && <Troubles troubles={troubles} />}
          <DataTable
            caption={text.caption}
            columns={[
              { header: text.way, cell: (candidate) => text.names[candidate.backend] },
              { header: text.found, cell: (candidate) => <Found candidate={candidate} chosen={backend} /> },
              { header: text.detail, cell: (candidate) => formatSentence(candidate.detail) },
            ]}
            rows={candidates}
            rowKey={(candidate) => candidate.backend}
            empty={null}
            stack
          />
        </>
      );
    }
  }
}

/** What failed so far, and what was done about it. */
function Troubles({ troubles }: { troubles: DeviceTrouble[] }) {
  // Two may read the same, but they are only ever added to
  const numbered = troubles.map((trouble, i) => ({ number: i + 1, trouble }));
  return (
    <Notice kind="warn" title={text.troublesTitle(troubles.length)} announce>
      <ol>
        {numbered.map(({ number, trouble }) => (
          <li key={number}>{text.trouble(text.shortNames[trouble.backend], trouble)}</li>
        ))}
      </ol>
      <p>{text.troubles}</p>
    </Notice>
  );
}

function Found({ candidate, chosen }: { candidate: BackendCandidate; chosen: string }) {
  if (!candidate.available) return <StatusChip tone="neutral" shape="cross" word={text.missing} />;
  if (candidate.backend === chosen) return <StatusChip tone="good" word={text.chosen} />;
  if (candidate.software) return <StatusChip tone="warn" word={text.software} />;
  return <StatusChip tone="neutral" word={text.available} />;
}
