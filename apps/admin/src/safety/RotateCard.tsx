import { useState } from 'react';
import { Card, ConfirmButton, CopyField } from '@chorale/ui';
import { messages } from '../messages.ts';
import type { AdminSource } from '../source/AdminSource.ts';
import { safetyMessages } from './safetyMessages.ts';

const text = safetyMessages.rotate;

/** Replaces the link by which admins sign in. */
export function RotateCard({
  source,
  onRotated,
}: {
  source: Pick<AdminSource, 'rotateToken'>;
  onRotated: () => void;
}) {
  const [token, setToken] = useState<string | null>(null);
  return (
    <Card title={text.title}>
      <p>{text.intro}</p>
      <div className="ch-row">
        <ConfirmButton
          label={text.label}
          question={text.question}
          confirmLabel={text.confirm}
          cancelLabel={text.cancel}
          onConfirm={async () => {
            setToken(await source.rotateToken());
            onRotated();
          }}
        />
      </div>
      {token !== null && (
        <CopyField
          label={text.made}
          value={`${location.origin}/admin?token=${encodeURIComponent(token)}`}
          hint={text.madeHint}
          texts={messages.copy}
        />
      )}
    </Card>
  );
}
