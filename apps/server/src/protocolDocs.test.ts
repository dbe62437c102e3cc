import { describe, expect, it } from 'vitest';
import { TRANSITIONS } from '@chorale/coordinator';
import { PROTOCOL_VERSION, RUN_STATUSES } from '@chorale/protocol';
import { PROTOCOL_DOC, tableIn } from './testing/protocolDoc.ts';

const table = (header: string) => tableIn(PROTOCOL_DOC, header);

describe('docs/protocol.md', () => {
  it('is about this version', () => {
    expect(PROTOCOL_DOC).toContain(`version ${PROTOCOL_VERSION} (\`PROTOCOL_VERSION\`)`);
  });

  it('has exactly the transitions of the engine', () => {
    const rows = TRANSITIONS.map(({ name, from, to, causes, when }) => [
      `\`${name}\``,
      from.join(', '),
      to ?? '(stays)',
      causes.join(', '),
      when,
    ]);
    expect(table('transition|from|to|by|when')).toEqual(rows);
  });

  it('has every state, and names no exit that the state does not have', () => {
    const rows = table('state|waits for|exit by its event|exit by time or by the admin');
    expect(rows.map(([state]) => state)).toEqual([...RUN_STATUSES]);
    for (const [state, , ...exits] of rows) {
      const named = new Set(
        [...exits.join(' ').matchAll(/`([a-z]+-[a-z-]+|aggregated)`/g)].map(([, name]) => name),
      );
      const leaving = TRANSITIONS.filter(({ from }) => from.some((one) => one === state));
      const names: string[] = leaving.map(({ name }) => name);
      for (const name of named) expect(names).toContain(name);
      const exitNames = leaving.filter(({ to }) => to !== null).map(({ name }) => name);
      expect([...named]).toEqual(expect.arrayContaining(exitNames));
    }
  });
});
