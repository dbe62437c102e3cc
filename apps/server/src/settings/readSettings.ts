import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ChoraleError } from '@chorale/protocol';
import type { SettingEntry, SettingForm, Settings } from './schema.ts';
import { SETTING_ENTRIES, settingsSchema } from './schema.ts';
import { suggestion } from './suggestion.ts';

/** What is in force, and where each of it comes from. */
export type ReadSettings = {
  settings: Settings;
  /** By the setting's name: "default", or the file, variable or flag. */
  sources: ReadonlyMap<string, string>;
};

export type CommandLine = ReadSettings & {
  json: boolean;
  help: boolean;
  printSettings: boolean;
  /** No setting: what stays in a file or a unit would start the same run at every restart. */
  newRun: boolean;
};

/** Variables with our prefix that are no settings of a server. */
const OTHER_VARIABLES = ['CHORALE_SETTINGS', 'CHORALE_CHROMIUM'];
const SWITCHES = ['--json', '--help', '--print-settings', '--new-run'] as const;
const FLAGS = [...SETTING_ENTRIES.flatMap(({ flag }) => flag ?? []), ...SWITCHES, '--settings'];

type Given = { value: unknown; source: string };

/**
 * Reads a server's settings: those of the file, over them those of the environment, over them those of the command line.
 * What is not known is refused by its name, everywhere.
 * @param args command line without the program
 * @throws {ChoraleError} CONFIG_INVALID: every problem there is, each with the place it was found in
 */
export function readSettings(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): CommandLine {
  const problems: string[] = [];
  const flags = readFlags(args, problems);
  const help = flags.has('--help');
  const variables = readEnvironment(env, problems);
  const filePath = flags.get('--settings')?.at(-1) ?? (env['CHORALE_SETTINGS'] || undefined);
  const file = filePath === undefined || help ? new Map<string, Given>() : readFile(filePath, problems);

  const sources = new Map<string, string>();
  const tree: Record<string, unknown> = {};
  for (const entry of SETTING_ENTRIES) {
    const given =
      fromFlags(entry, flags, problems) ?? fromVariable(entry, variables, problems) ?? file.get(entry.name);
    sources.set(entry.name, given?.source ?? 'default');
    if (given === undefined) continue;
    const parsed = entry.schema.safeParse(given.value);
    if (parsed.success) place(tree, entry.name, given.value);
    else {
      problems.push(
        ...parsed.error.issues.map((issue) => `${given.source}: ${entry.name}: ${issue.message}`),
      );
    }
  }
  if (problems.length > 0 && !help) {
    throw new ChoraleError('CONFIG_INVALID', problems.join('\n'));
  }
  return {
    settings: settingsSchema.parse(problems.length > 0 ? {} : tree),
    sources,
    json: flags.has('--json'),
    help,
    printSettings: flags.has('--print-settings'),
    newRun: flags.has('--new-run'),
  };
}

/* -------------------------------------------------- command line -------------------------------------------------- */

/** Flag → its values in their order; an empty list for a switch. */
function readFlags(args: readonly string[], problems: string[]): Map<string, string[]> {
  const values = new Map<string, string[]>();
  const names = FLAGS.map((flag) => [
    flag.slice(2),
    {
      type: SWITCHES.some((one) => one === flag) ? ('boolean' as const) : ('string' as const),
      multiple: true,
    },
  ]);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(names) as Record<string, { type: 'string' | 'boolean'; multiple: true }>,
    strict: false,
    tokens: true,
  });
  const isUnknown = (token: (typeof tokens)[number] | undefined): boolean =>
    token?.kind === 'option' && !FLAGS.includes(token.rawName);
  for (const [index, token] of tokens.entries()) {
    // After an option that there is not it is likely its value
    if (token.kind === 'positional' && !isUnknown(tokens[index - 1]))
      problems.push(`command line: expected an option, got ${token.value}.`);
    if (token.kind !== 'option') continue;
    const flag = token.rawName;
    const isSwitch = SWITCHES.some((one) => one === flag);
    if (!FLAGS.includes(flag))
      problems.push(`command line: there is no option ${flag}.${suggestion(flag, FLAGS)}`);
    else if (isSwitch && token.value !== undefined) problems.push(`${flag}: expected no value`);
    else if (!isSwitch && !token.value) problems.push(`${flag}: expected a value after it`);
    else values.set(flag, [...(values.get(flag) ?? []), ...(token.value === undefined ? [] : [token.value])]);
  }
  return values;
}

function fromFlags(
  { name, flag, form }: SettingEntry,
  flags: ReadonlyMap<string, string[]>,
  problems: string[],
): Given | undefined {
  const texts = flag === null ? undefined : flags.get(flag);
  if (flag === null || texts === undefined) return undefined;
  // Given several times it is a list; of what is no list the last counts, as usual
  const several = form === 'paths' || form === 'list';
  const value = several
    ? texts.map((text) => (form === 'paths' ? resolve(text) : text))
    : fromText(form, texts.at(-1)!);
  return checkedNumber({ value, source: flag }, name, form, problems);
}

/* --------------------------------------------------- environment --------------------------------------------------- */

/** The variables of settings; an empty one is one that is not set. */
function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): Map<string, string> {
  const known = [...SETTING_ENTRIES.map((entry) => entry.env as string), ...OTHER_VARIABLES];
  const variables = new Map<string, string>();
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('CHORALE_')) continue;
    if (!known.includes(name))
      problems.push(`environment: there is no setting ${name}.${suggestion(name, known)}`);
    else if (value !== undefined && value !== '') variables.set(name, value);
  }
  return variables;
}

function fromVariable(
  { name, env, form }: SettingEntry,
  variables: ReadonlyMap<string, string>,
  problems: string[],
): Given | undefined {
  const text = variables.get(env);
  if (text === undefined) return undefined;
  return checkedNumber({ value: fromText(form, text), source: env }, name, form, problems);
}

/* -------------------------------------------------- settings file -------------------------------------------------- */

function readFile(path: string, problems: string[]): Map<string, Given> {
  const values = new Map<string, Given>();
  const directory = dirname(resolve(path));
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    problems.push(`${path}: expected a readable JSON file; ${(error as Error).message}`);
    return values;
  }
  const names = SETTING_ENTRIES.map(({ name }) => name);
  for (const [name, value] of leaves(json, path, problems)) {
    const entry = SETTING_ENTRIES.find((one) => one.name === name);
    if (entry === undefined) problems.push(`${path}: there is no setting ${name}.${suggestion(name, names)}`);
    else values.set(name, { value: atDirectory(value, entry.form, directory), source: path });
  }
  return values;
}

/** Names with their values; those in `limits` as `limits.name`. */
function* leaves(json: unknown, path: string, problems: string[]): Iterable<[string, unknown]> {
  if (!isObject(json)) {
    problems.push(`${path}: expected an object of settings`);
    return;
  }
  for (const [name, value] of Object.entries(json)) {
    if (name !== 'limits') yield [name, value];
    else if (!isObject(value)) problems.push(`${path}: limits: expected an object`);
    else for (const [inner, limit] of Object.entries(value)) yield [`limits.${inner}`, limit];
  }
}

function atDirectory(value: unknown, form: SettingForm, directory: string): unknown {
  if (form === 'path' && typeof value === 'string' && value !== '') return resolve(directory, value);
  if (form === 'paths' && Array.isArray(value))
    return value.map((one) => atDirectory(one, 'path', directory));
  return value;
}

/* ----------------------------------------------------- values ----------------------------------------------------- */

function fromText(form: SettingForm, text: string): unknown {
  const list = (): string[] => text.split(',').map((one) => one.trim());
  switch (form) {
    case 'text':
      return text;
    case 'number':
      return /^\d{1,15}$/.test(text) ? Number(text) : text;
    case 'path':
      return resolve(text);
    case 'paths':
      return list().map((one) => resolve(one));
    case 'list':
      return list();
    case 'proxies':
      if (text === 'false') return false;
      return /^\d+$/.test(text) ? Number(text) : list();
  }
}

/** A word where a number belongs is told as it was typed. */
function checkedNumber(given: Given, name: string, form: SettingForm, problems: string[]): Given | undefined {
  if (form !== 'number' || typeof given.value === 'number') return given;
  problems.push(`${given.source}: ${name}: expected a whole number, got ${JSON.stringify(given.value)}`);
  return undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Puts a value under its name; `limits.x` goes into `limits`. */
function place(tree: Record<string, unknown>, name: string, value: unknown): void {
  const [group, inner] = name.split('.');
  if (inner === undefined) tree[name] = value;
  else tree[group!] = { ...(tree[group!] as Record<string, unknown> | undefined), [inner]: value };
}
