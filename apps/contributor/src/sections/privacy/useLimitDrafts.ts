import { useState } from 'react';
import type { Limits } from '@chorale/client';
import { messages } from '../../messages.ts';
import { parseLimit } from '../../limits.ts';
import type { LimitField } from '../../limits.ts';

export type LimitDrafts = {
  /** What stands in the field: what was typed, or the limit that holds. */
  textOf: (field: LimitField) => string;
  errorOf: (field: LimitField) => string | null;
  hasError: boolean;
  change: (field: LimitField, typed: string) => void;
  replace: (limits: Limits) => void;
};

/** Keeps what is typed as it is typed; every valid value is set at once, so that no click can come before it. */
export function useLimitDrafts(limits: Limits | null, onChange: (limits: Limits) => void): LimitDrafts {
  const [typed, setTyped] = useState<Partial<Record<LimitField, string>>>({});
  const errorOf = (field: LimitField) => {
    const draft = typed[field];
    if (draft === undefined || parseLimit(field, draft) !== null) return null;
    return field === 'mostRounds' ? messages.privacy.limits.notWhole : messages.privacy.limits.notPositive;
  };
  return {
    textOf: (field) => typed[field] ?? String(limits?.[field] ?? ''),
    errorOf,
    hasError: FIELDS.some((field) => errorOf(field) !== null),
    change: (field, draft) => {
      setTyped({ ...typed, [field]: draft });
      const value = parseLimit(field, draft);
      if (limits !== null && value !== null) onChange({ ...limits, [field]: value });
    },
    replace: (wanted) => {
      setTyped({});
      onChange(wanted);
    },
  };
}

const FIELDS = ['epsilonLimit', 'leastNoiseMultiplier', 'mostRounds'] as const satisfies LimitField[];
