import { Notice, useNow } from '@chorale/ui';
import { messages } from './messages.ts';

const text = messages.connection;

/** Says that the data is old, and how old; the page under it is drawn without colour. */
export function Veil({ since }: { since: number }) {
  const now = useNow();
  return (
    <div className="veil">
      <Notice kind="warn" title={text.veilTitle}>
        <p>{text.veil(now - since)}</p>
      </Notice>
    </div>
  );
}
