import { ModelError } from '../modelError.ts';
import { shortened } from '../shortened.ts';

/** Deeper than any file of a model; a deeper one could overflow the stack of whoever walks it. */
const MAX_DEPTH = 64;

/**
 * Parses JSON of an unknown origin. Two readers must never see two different files in one: bytes that are no UTF-8 and
 * keys that stand twice in one object are refused, for readers differ in which they take.
 * @param fileName names the file in the error
 * @throws {ModelError} not JSON, not UTF-8, a key twice, or nested deeper than 64
 */
export function parseStrictJson(bytes: Uint8Array, fileName: string): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    checkDepth(text, fileName);
    value = JSON.parse(text);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError(`${fileName}: not valid JSON`, { cause });
  }
  checkKeys(text, fileName);
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const COLON = 0x3a;
const SPACE = 0x20;

/** Counts brackets outside strings before anything recursive sees the text. */
function checkDepth(text: string, fileName: string): void {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = endOfString(text, i);
    else if (code === OPEN_OBJECT || code === OPEN_LIST) depth++;
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) depth--;
    if (depth > MAX_DEPTH) throw new ModelError(`${fileName}: nested deeper than ${MAX_DEPTH} levels`);
  }
}

/** Walks text that is known to be valid JSON and looks at the keys of each object. */
function checkKeys(text: string, fileName: string): void {
  const open: (Set<string> | null)[] = []; // keys of the objects open at this place, null for a list
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === OPEN_OBJECT) open.push(new Set());
    else if (code === OPEN_LIST) open.push(null);
    else if (code === CLOSE_OBJECT || code === CLOSE_LIST) open.pop();
    else if (code === QUOTE) {
      const end = endOfString(text, i);
      const keys = open.at(-1);
      if (keys && isKey(text, end)) {
        // Escapes count as what they stand for
        const key = JSON.parse(text.slice(i, end + 1)) as string;
        if (keys.has(key)) {
          throw new ModelError(`${fileName}: the key ${shortened(JSON.stringify(key))} stands twice`);
        }
        keys.add(key);
      }
      i = end;
    }
  }
}

/** Index of the quote that closes the string opened at `start`; the text's length when none does. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i;
}

/** A string is a key when a colon follows it. */
function isKey(text: string, end: number): boolean {
  let i = end + 1;
  while (text.charCodeAt(i) <= SPACE) i++;
  return text.charCodeAt(i) === COLON;
}
