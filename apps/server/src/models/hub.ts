import { readFileSync } from 'node:fs';
import { ChoraleError } from '@chorale/protocol';

/** Where models come from, and how patiently. */
export type Hub = {
  /** Without a slash at the end. */
  endpoint: string;
  /** Sent to the endpoint only, never to where it redirects. */
  token: string | null;
  /** Before the second attempt; doubled with every further one. */
  retryDelayMs: number;
  /** Nothing came for so long: the connection is dead, although nobody said so. */
  silenceMs: number;
  /** Told why there will be another attempt, and when: nothing else happens meanwhile. */
  onInterruption: (message: string) => void;
};

const DEFAULT_ENDPOINT = 'https://huggingface.co';

/**
 * The hub as Hugging Face's own tools are told of it: HF_ENDPOINT, HF_TOKEN, or HF_TOKEN_PATH (a file with the token).
 * @throws {ChoraleError} CONFIG_INVALID
 */
export function hubFromEnvironment(
  environment: NodeJS.ProcessEnv,
  onInterruption: Hub['onInterruption'],
): Hub {
  const endpoint = (environment['HF_ENDPOINT'] || DEFAULT_ENDPOINT).replace(/\/+$/, '');
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new ChoraleError(
      'CONFIG_INVALID',
      `HF_ENDPOINT: expected an http or https address, got ${endpoint}`,
    );
  }
  return { endpoint, token: tokenFrom(environment), retryDelayMs: 1_000, silenceMs: 60_000, onInterruption };
}

function tokenFrom(environment: NodeJS.ProcessEnv): string | null {
  const path = environment['HF_TOKEN_PATH'];
  const token = (environment['HF_TOKEN'] || (path ? readToken(path) : '')).trim();
  // Anything else would be no HTTP header, and the error would print it
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new ChoraleError('CONFIG_INVALID', 'HF_TOKEN: expected one word of printable characters');
  }
  return token || null;
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ChoraleError('CONFIG_INVALID', `HF_TOKEN_PATH: expected a file at ${path}, it cannot be read`, {
      cause,
    });
  }
}
