import { useId } from 'react';
import type { ConditionChoices, ConditionKind, ConditionsView } from '@chorale/client';
import { messages } from '../messages.ts';

const text = messages.contribute.when;

const ORDER: readonly ConditionKind[] = ['battery', 'metered', 'hidden'];

export type WhenToContributeProps = {
  conditions: ConditionsView;
  onChoose: (choices: ConditionChoices) => void;
};

/** Under which conditions this tab pauses by itself, and what this browser can tell of them. */
export function WhenToContribute({ conditions: { choices, reading }, onChoose }: WhenToContributeProps) {
  const id = useId();
  return (
    <fieldset className="when">
      <legend>{text.title}</legend>
      <p className="ch-small ch-muted">{text.intro}</p>
      {ORDER.map((kind) => (
        <div key={kind} className="when-choice">
          <label className="ch-check">
            <input
              type="checkbox"
              checked={choices[kind]}
              aria-describedby={`${id}-${kind}`}
              onChange={(event) => onChoose({ ...choices, [kind]: event.currentTarget.checked })}
            />
            {text.choices[kind]}
          </label>
          <p id={`${id}-${kind}`} className="ch-small ch-muted">
            {text.hints[kind](reading)}
          </p>
        </div>
      ))}
    </fieldset>
  );
}
