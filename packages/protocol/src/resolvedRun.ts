import { z } from 'zod';
import { runConfigSchema } from './runConfig.ts';

/** A lower-case SHA-256 in hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');

/** One file of the frozen model, as the server offers it. */
export const modelFileSchema = z.strictObject({
  name: z.string().min(1).max(200),
  /** Path on the server the run came from, starting with a slash. */
  path: z.string().startsWith('/').max(400),
  sizeBytes: z.int().min(0),
  sha256: sha256Schema,
});
export type ModelFile = z.infer<typeof modelFileSchema>;

/**
 * The public facts of a run that a contributor agrees to. `planHash` covers all of them but itself and the run id;
 * it is shown on the page, sent at join and bound into every update.
 */
export const runPlanSchema = z.strictObject({
  config: runConfigSchema,
  /** Noise standard deviation over clippingNorm; 0 only when `config.privacy.unit` is `none`. */
  noiseMultiplier: z.number().min(0),
  /** The frozen model's files. */
  model: z.strictObject({ name: z.string().min(1), files: z.array(modelFileSchema).min(1).max(200) }),
  /** SHA-256 over the derived A matrices; A itself is never sent. */
  basisHash: sha256Schema,
  /** Number of trained parameters: all B matrices, then the head weight when it is trained. */
  parameterCount: z.int().min(1),
});
export type RunPlan = z.infer<typeof runPlanSchema>;

export const resolvedRunSchema = z.strictObject({
  runId: z.string().regex(/^[a-z0-9-]{1,64}$/),
  plan: runPlanSchema,
  planHash: sha256Schema,
});
export type ResolvedRun = z.infer<typeof resolvedRunSchema>;

/**
 * SHA-256 of a plan's canonical JSON (keys sorted at every level, no white space, numbers as ECMAScript prints them).
 * @returns 64 lower-case hexadecimal digits
 */
export async function hashPlan(plan: RunPlan): Promise<string> {
  return sha256Hex(new TextEncoder().encode(canonicalJson(plan)));
}

/** JSON with sorted keys and no white space, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, inner]) => `${JSON.stringify(key)}:${canonicalJson(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value);
}

/** SHA-256 through Web Crypto, in lower-case hexadecimal. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  return bytesToHex(new Uint8Array(await subtle.digest('SHA-256', bytes)));
}

export function bytesToHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function hexToBytes(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) =>
    Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16),
  );
}

// This package compiles without the DOM library; every place it runs (tab, worker, Node) has both of these.
type Subtle = { digest(algorithm: 'SHA-256', data: Uint8Array): Promise<ArrayBuffer> };
const { crypto, TextEncoder } = globalThis as unknown as {
  crypto: { subtle: Subtle };
  TextEncoder: new () => { encode(text: string): Uint8Array };
};
const { subtle } = crypto;
