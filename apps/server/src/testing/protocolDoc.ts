import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** docs/protocol.md, whole. */
export const PROTOCOL_DOC = readFileSync(new URL('../../../../docs/protocol.md', import.meta.url), 'utf8');

/** What stands under a heading, up to the next one of any level. @param heading with its `#`s */
export function sectionOf(heading: string): string {
  const lines = PROTOCOL_DOC.split('\n');
  const start = lines.indexOf(heading);
  if (start < 0) throw new Error(`docs/protocol.md has no heading "${heading}"`);
  const rest = lines.slice(start + 1);
  const fenced = rest.map(
    (_, i) => rest.slice(0, i).filter((line) => line.startsWith('```')).length % 2 === 1,
  );
  const end = rest.findIndex((line, i) => line.startsWith('#') && !fenced[i]);
  return rest.slice(0, end < 0 ? undefined : end).join('\n');
}

/** Cells of the first table in a text whose header is this. @param header column names with `|` between them */
export function tableIn(text: string, header: string): string[][] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => cellsOf(line).join('|') === header);
  if (start < 0) return [];
  const rows = lines.slice(start + 2);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return rows.slice(0, end < 0 ? undefined : end).map(cellsOf);
}

function cellsOf(line: string): string[] {
  return line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
}

/** The first fenced block of a text. */
export function blockIn(text: string): string {
  const found = /^```\w*\n([^]*?)^```$/m.exec(text);
  if (found === null) throw new Error('expected a fenced block in this section of docs/protocol.md');
  return found[1]!;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * Fields of a message and their types, in the words of the document; objects in it by their own fields, after a dot.
 * @param whole fields that have a table of their own: name → what that is called
 */
export function fieldsOf(schema: z.ZodType, whole: Readonly<Record<string, string>> = {}): string[][] {
  return fieldsOfJson(z.toJSONSchema(schema), whole);
}

function fieldsOfJson(schema: JsonSchema, whole: Readonly<Record<string, string>>, prefix = ''): string[][] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
    const inner = value as JsonSchema;
    const name = `${prefix}${key}`;
    const optional = required.has(key) ? '' : ', optional';
    const own = [`\`${name}\``, `${whole[name] ?? typeOf(inner)}${optional}`];
    if (whole[name] !== undefined) return [own];
    const object = [inner, ...(inner.anyOf ?? [])].find(({ type }) => type === 'object');
    return object === undefined ? [own] : [own, ...fieldsOfJson(object, whole, `${name}.`)];
  });
}

/** A type with its range: "integer, at least 1". */
export function typeOf(schema: JsonSchema): string {
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ');
  if (schema.enum !== undefined) return alternatives(schema.enum.map((value) => `\`${String(value)}\``));
  const { type } = schema as { type?: string | string[] };
  if (Array.isArray(type)) {
    return type.map((one) => typeOf({ ...schema, type: one } as JsonSchema)).join(' or ');
  }
  switch (schema.type) {
    case 'array': {
      const most = schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`;
      return `list of (${typeOf(schema.items as JsonSchema)})${most}`;
    }
    case 'string':
      if (schema.pattern !== undefined) return `string, \`${schema.pattern}\``;
      return ['string', span(schema.minLength, schema.maxLength, ' characters')].filter(Boolean).join(', ');
    case 'integer':
    case 'number':
      return [schema.type, span(schema.minimum, schema.maximum, '')].filter(Boolean).join(', ');
    case 'boolean':
    case 'null':
    case 'object':
      return schema.type;
    case undefined:
    default:
      throw new Error(`no words for the type ${JSON.stringify(schema)}`);
  }
}

function span(least: number | undefined, most: number | undefined, unit: string): string {
  const lowest = least === undefined || least === Number.MIN_SAFE_INTEGER ? undefined : least;
  const highest = most === undefined || most === Number.MAX_SAFE_INTEGER ? undefined : most;
  if (lowest !== undefined && highest !== undefined) return `${lowest} to ${highest}${unit}`;
  if (lowest !== undefined) return `at least ${lowest}${unit}`;
  return highest === undefined ? '' : `at most ${highest}${unit}`;
}

function alternatives(words: readonly string[]): string {
  return words.length === 1 ? words[0]! : `${words.slice(0, -1).join(', ')} or ${words.at(-1)!}`;
}
