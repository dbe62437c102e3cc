import type { RefObject } from 'react';
import type { RunPlan } from '@chorale/protocol';
import type { LimitsView } from '@chorale/client';
import { Button, Field, Notice } from '@chorale/ui';
import { fieldToBlame, limitsOfPlan } from '../../limits.ts';
import type { LimitField } from '../../limits.ts';
import { messages } from '../../messages.ts';
import type { LimitDrafts } from './useLimitDrafts.ts';

const text = messages.privacy.limits;

export type OwnLimitsProps = {
  view: LimitsView;
  plan: RunPlan;
  plannedEpsilon: number | null;
  /** Spent in this run before, in an earlier visit. */
  spentEpsilon: number | null;
  drafts: LimitDrafts;
  /** Receives the fold with the fields. */
  foldRef: RefObject<HTMLDetailsElement | null>;
};

/** Her own limits before she agrees: what they come to in a line, the fields in a fold. */
export function OwnLimits({ view, plan, plannedEpsilon, spentEpsilon, drafts, foldRef }: OwnLimitsProps) {
  const blamed = fieldToBlame(view, plan);
  const roundCount = plan.config.rounds.count;
  const { problem } = view;
  const field = (name: LimitField, label: string, hint: string) => (
    <Field
      label={label}
      hint={hint}
      error={drafts.errorOf(name) ?? (blamed === name ? (problem?.message ?? null) : null)}
    >
      {(control) => (
        <input
          {...control}
          className="ch-input"
          inputMode={name === 'mostRounds' ? 'numeric' : 'decimal'}
          autoComplete="off"
          value={drafts.textOf(name)}
          onChange={(event) => drafts.change(name, event.currentTarget.value)}
        />
      )}
    </Field>
  );
  return (
    <>
      <h3>{text.title}</h3>
      <div>
        <p>{text.intro}</p>
        <p role="status">
          <strong>{problem === null && text.allowed(view.roundsAllowed, roundCount)}</strong>
          {spentEpsilon !== null && spentEpsilon > 0 && ` ${text.already(spentEpsilon)}`}
        </p>
      </div>
      {problem !== null && blamed === null && (
        <Notice kind="error" title={text.problemTitle} announce>
          <p>{problem.message}</p>
        </Notice>
      )}
      <details className="ch-details" ref={foldRef}>
        <summary>{text.change}</summary>
        <div className="ch-stack">
          <div className="ch-columns">
            {plannedEpsilon !== null &&
              field('epsilonLimit', text.epsilonLimit, text.epsilonHint(plannedEpsilon))}
            {field('mostRounds', text.mostRounds, text.roundsHint(roundCount))}
            {plannedEpsilon !== null &&
              field('leastNoiseMultiplier', text.leastNoiseMultiplier, text.noiseHint(plan.noiseMultiplier))}
          </div>
          <div>
            <Button small onClick={() => drafts.replace(limitsOfPlan(plan, plannedEpsilon))}>
              {text.reset}
            </Button>
          </div>
        </div>
      </details>
    </>
  );
}
