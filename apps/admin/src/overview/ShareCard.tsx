import { Card, CopyField } from '@chorale/ui';
import { messages } from '../messages.ts';

const text = messages.run;

/** The address to give to contributors. */
export function ShareCard({ runId, first }: { runId: string; first: boolean }) {
  return (
    <Card title={text.share}>
      <p>{first ? text.shareFirst : text.shareText}</p>
      <CopyField label={text.address} value={`${location.origin}/?run=${runId}`} texts={messages.copy} />
    </Card>
  );
}
