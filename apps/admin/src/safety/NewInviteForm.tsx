import { useCallback, useState } from 'react';
import type { NewInvite } from '@chorale/protocol';
import { Button, Field, useAction } from '@chorale/ui';
import { safetyMessages } from './safetyMessages.ts';

const text = safetyMessages.invites;
const DEFAULT_CHOICE = 1;

/** For whom an invite is, how many may use it, and how long. */
export function NewInviteForm({ onMake }: { onMake: (invite: NewInvite) => Promise<void> }) {
  const [note, setNote] = useState('');
  const [people, setPeople] = useState('1');
  const [choice, setChoice] = useState(DEFAULT_CHOICE);
  const [missing, setMissing] = useState(false);
  const make = useCallback(async () => {
    const { days } = text.dayChoices[choice]!;
    await onMake({
      note: note.trim(),
      uses: Number(people),
      expiresInHours: days === null ? null : 24 * days,
    });
    setNote('');
  }, [onMake, note, people, choice]);
  const [{ busy, error }, start] = useAction(make);

  return (
    <form
      className="ch-stack"
      onSubmit={(event) => {
        event.preventDefault();
        const uses = Number(people);
        const valid = Number.isInteger(uses) && uses >= 1 && uses <= 100_000;
        setMissing(!valid);
        if (valid) void start();
      }}
    >
      <div className="invite-fields">
        <Field label={text.note} hint={text.noteHint}>
          {(control) => (
            <input
              {...control}
              className="ch-input"
              maxLength={120}
              value={note}
              onChange={(event) => setNote(event.currentTarget.value)}
            />
          )}
        </Field>
        <Field label={text.uses} hint={text.usesHint} error={missing ? text.usesError : null}>
          {(control) => (
            <input
              {...control}
              className="ch-input"
              inputMode="numeric"
              value={people}
              onChange={(event) => {
                setPeople(event.currentTarget.value);
                setMissing(false);
              }}
            />
          )}
        </Field>
        <Field label={text.days}>
          {(control) => (
            <select
              {...control}
              className="ch-input"
              value={choice}
              onChange={(event) => setChoice(Number(event.currentTarget.value))}
            >
              {text.dayChoices.map(({ label }, index) => (
                <option key={label} value={index}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <div>
        <Button type="submit" variant="primary" busy={busy}>
          {text.make}
        </Button>
        {error !== null && (
          <p className="ch-action-error" role="alert">
            {error}
          </p>
        )}
      </div>
    </form>
  );
}
