import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ChoraleError } from '@chorale/protocol';

/**
 * The access token, found where Hugging Face's own tools find it: HF_TOKEN (or its old name HUGGING_FACE_HUB_TOKEN), else
 * the file HF_TOKEN_PATH, else what `hf auth login` left in HF_HOME. With HF_HUB_DISABLE_IMPLICIT_TOKEN none of them is
 * sent, as there.
 * @see `get_token` and `constants` of the huggingface_hub library
 * @returns null when there is none
 * @throws {ChoraleError} CONFIG_INVALID: HF_TOKEN_PATH names no file, or what was found is no token; never says it
 */
export function hubToken(environment: NodeJS.ProcessEnv): string | null {
  if (/^(1|on|yes|true)$/i.test(environment['HF_HUB_DISABLE_IMPLICIT_TOKEN'] ?? '')) return null;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = environment[name]?.trim();
    if (token) return checked(token, name);
  }
  const home = environment['HOME'] || homedir();
  const inHome = (path: string): string => path.replace(/^~(?=[/\\]|$)/, () => home);
  const named = environment['HF_TOKEN_PATH'];
  if (named) {
    const token = readToken(inHome(named));
    if (token !== null) return checked(token, 'HF_TOKEN_PATH');
    throw new ChoraleError('CONFIG_INVALID', `HF_TOKEN_PATH: expected a file at ${named}, there is none`);
  }
  const cache = environment['XDG_CACHE_HOME'] || join(home, '.cache');
  const path = join(inHome(environment['HF_HOME'] || join(cache, 'huggingface')), 'token');
  return checked(readToken(path) ?? '', path);
}

/** @param source where it was found, for the message */
function checked(token: string, source: string): string | null {
  // Anything else would be no HTTP header, and the error would print it
  if (/^[\x21-\x7e]*$/.test(token)) return token || null;
  throw new ChoraleError('CONFIG_INVALID', `${source}: expected one word of printable characters, a token`);
}

/** @returns null when there is no such file */
function readToken(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new ChoraleError(
      'CONFIG_INVALID',
      `expected the access token of the model hub in ${path}, it cannot be read (${code}); make it readable, or set HF_HUB_DISABLE_IMPLICIT_TOKEN=1 to go without`,
      { cause },
    );
  }
}
