import { ChoraleError } from '@chorale/protocol';
import { hubToken } from './hubToken.ts';

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
 * The hub as Hugging Face's own tools are told of it: its address in HF_ENDPOINT, its token as `hubToken` finds it.
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
  return { endpoint, token: hubToken(environment), retryDelayMs: 1_000, silenceMs: 60_000, onInterruption };
}
