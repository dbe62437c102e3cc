import { relative } from 'node:path';
import { REDACTED } from '../log.ts';
import { REPOSITORY_ROOT } from '../models/modelSource.ts';
import type { ReadSettings } from './readSettings.ts';
import type { SettingEntry, Settings } from './schema.ts';
import { SETTING_ENTRIES } from './schema.ts';

export type ShownSetting = { name: string; value: unknown; source: string };

/** Everything that is in force and where it comes from; of secrets only whether they are set. */
export function shownSettings({ settings, sources }: ReadSettings): ShownSetting[] {
  return SETTING_ENTRIES.map((entry) => {
    const value = valueOf(settings, entry.name);
    return {
      name: entry.name,
      value: entry.secret && value !== null ? REDACTED : value,
      source: sources.get(entry.name) ?? 'default',
    };
  });
}

/** The same as aligned lines. */
export function settingLines(shown: readonly ShownSetting[]): string {
  const rows = shown.map(({ name, value, source }) => [name, JSON.stringify(value), source] as const);
  const width = (column: 0 | 1): number => Math.max(...rows.map((row) => row[column].length));
  const [names, values] = [width(0), width(1)];
  return rows
    .map(([name, value, source]) => `${name.padEnd(names)}  ${value.padEnd(values)}  ${source}\n`)
    .join('');
}

/** The help of the command: what its options are. */
export function usage(): string {
  const options = SETTING_ENTRIES.flatMap(({ flag, argument, meaning, initial }) =>
    flag === null
      ? []
      : [[`${flag} ${argument ?? ''}`, `${meaning.split(';')[0]!} (${defaultText(initial)})`] as const],
  );
  const lines = [
    ['--settings FILE', 'settings as JSON: a key for each setting'] as const,
    ...options,
    ['--new-run', 'start a new run of each config whose newest run has ended'] as const,
    ['--print-settings', 'print what is in force and where it comes from, and end'] as const,
    ['--json', 'print one JSON line when listening'] as const,
  ];
  const width = Math.max(...lines.map(([left]) => left.length));
  return `Serves runs: contributors at /, the admin at /admin. Until SIGINT or SIGTERM.

${lines.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')}

Every setting can stand in the settings file, in an environment variable (${SETTING_ENTRIES[0]!.env}, …) or on the command
line; what comes later here wins. docs/operations.md has all of them.

A model that a config names as hf:organisation/name@revision is downloaded into the data directory, each commit once, from
HF_ENDPOINT (default https://huggingface.co), with the access token in HF_TOKEN, in the file HF_TOKEN_PATH, or as
\`hf auth login\` left it, where there is one.
`;
}

/** A default as people read it: paths from the repository, or from where the command runs. */
export function defaultText(initial: unknown): string {
  if (initial === null) return 'not set';
  if (Array.isArray(initial)) return initial.length === 0 ? 'not set' : initial.map(defaultText).join(', ');
  const text = typeof initial === 'string' ? initial : JSON.stringify(initial);
  if (!text.startsWith('/')) return text;
  const inside = relative(REPOSITORY_ROOT, text);
  return text === process.cwd() || inside.startsWith('..') ? relative(process.cwd(), text) : inside;
}

function valueOf(settings: Settings, name: SettingEntry['name']): unknown {
  const [group, inner] = name.split('.');
  const outer: unknown = settings[group as keyof Settings];
  return inner === undefined ? outer : (outer as Record<string, unknown>)[inner];
}
