import { Card } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run;

/** The download of the newest adapter. */
export function AdapterCard({ runId, version }: { runId: string; version: number }) {
  return (
    <Card title={text.adapter}>
      {version === 0 ? (
        <p className="ch-muted">{text.adapterNone}</p>
      ) : (
        <>
          <p>{text.adapterText(version)}</p>
          <div>
            <a
              className="ch-button"
              href={`/api/admin/runs/${encodeURIComponent(runId)}/adapter.zip`}
              download={`${runId}-v${version}.zip`}
            >
              {text.download(version)}
            </a>
          </div>
        </>
      )}
    </Card>
  );
}
