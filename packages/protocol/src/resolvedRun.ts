import { z } from 'zod';
import { runConfigSchema } from './runConfig.ts';

/** A lower-case SHA-256 in hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 hexadecimal digits');

/** Largest piece a model file is delivered in, in bytes. */
export const MAX_PIECE_BYTES = 16 * 1024 * 1024;

/** One stretch of a model file, as the server offers it at `modelPiecePath`. */
export const modelPieceSchema = z.strictObject({
  sizeBytes: z.int().min(1).max(MAX_PIECE_BYTES),
  sha256: sha256Schema,
});
export type ModelPiece = z.infer<typeof modelPieceSchema>;

/** One file of the frozen model, cut into pieces that a tab keeps and checks one by one. */
export const modelFileSchema = z
  .strictObject({
    name: z.string().min(1).max(200),
    sizeBytes: z.int().min(1),
    sha256: sha256Schema,
    /** In order; together they are the file. */
    pieces: z.array(modelPieceSchema).min(1).max(10_000),
  })
  .refine((file) => file.pieces.reduce((sum, piece) => sum + piece.sizeBytes, 0) === file.sizeBytes, {
    error: 'the pieces together must be as large as the file',
    path: ['pieces'],
  });
export type ModelFile = z.infer<typeof modelFileSchema>;

function haveOneSizePerPiece(files: readonly ModelFile[]): boolean {
  const sizes = new Map<string, number>();
  for (const { sha256, sizeBytes } of files.flatMap(({ pieces }) => pieces)) {
    if ((sizes.get(sha256) ?? sizeBytes) !== sizeBytes) return false;
    sizes.set(sha256, sizeBytes);
  }
  return true;
}

/** Where the server of a run offers a piece: by its hash, so that runs, files and revisions share what is the same. */
export function modelPiecePath({ sha256 }: Pick<ModelPiece, 'sha256'>): string {
  return `/models/${sha256}`;
}

/** A stretch of the flat vector of parameters: elements start … end - 1. */
export const trainedRangeSchema = z
  .strictObject({ start: z.int().min(0), end: z.int().min(1) })
  .refine(({ start, end }) => start < end, { error: 'start must be under end' });
export type TrainedRange = z.infer<typeof trainedRangeSchema>;

/** One tensor of the flat vector: so many elements behind those of the tensors before it. */
export const tensorSchema = z.strictObject({ name: z.string().min(1).max(200), count: z.int().min(1) });
export type PlanTensor = z.infer<typeof tensorSchema>;

function sumOf(tensors: readonly PlanTensor[]): number {
  return tensors.reduce((sum, { count }) => sum + count, 0);
}

/** Whether a stretch of the flat vector starts and ends where tensors do. */
function endsWithTensors(tensors: readonly PlanTensor[], { start, end }: TrainedRange): boolean {
  const bounds = new Set([0]);
  let offset = 0;
  for (const { count } of tensors) bounds.add((offset += count));
  return bounds.has(start) && bounds.has(end);
}

/** The most values that an update of a run holds. */
export function largestUpdateCount({ trainedRanges }: { trainedRanges: readonly TrainedRange[] }): number {
  return Math.max(...trainedRanges.map(({ start, end }) => end - start));
}

/**
 * What a round trains, noises and sends: the strategies take turns over `trainedRanges`, round by round.
 * @param round from 1
 */
export function trainedRangeOf(
  { trainedRanges }: { trainedRanges: readonly TrainedRange[] },
  round: number,
): TrainedRange {
  // An unsigned 32-bit round of a hostile header may be 0
  return trainedRanges[Math.max(0, round - 1) % trainedRanges.length]!;
}

/**
 * The public facts of a run that a contributor agrees to. `planHash` covers all of them but itself and the run id;
 * it is shown on the page, sent at join and bound into every update.
 */
export const runPlanSchema = z
  .strictObject({
    config: runConfigSchema,
    /** Noise standard deviation over clippingNorm; 0 only when `config.privacy.unit` is `none`. */
    noiseMultiplier: z.number().min(0),
    /** The frozen model's files, as tabs load them; `source` says where on a model hub they come from. */
    model: z.strictObject({
      name: z.string().min(1),
      source: z
        .strictObject({ repository: z.string().min(1).max(200), revision: z.string().min(1).max(200) })
        .nullable(),
      files: z
        .array(modelFileSchema)
        .min(1)
        .max(200)
        .refine((files) => new Set(files.map(({ name }) => name)).size === files.length, {
          error: 'each file must have a name of its own',
        })
        .refine(haveOneSizePerPiece, { error: 'pieces of one hash must be of one size' }),
    }),
    /** SHA-256 over the A matrices as they are before the first round. */
    basisHash: sha256Schema,
    /** Size of the global adapter: all B matrices, the head when it is trained, all A when the strategy trains them. */
    parameterCount: z.int().min(1),
    /** What the global adapter is made of, in its order. Updates are scaled tensor by tensor where the encoding scales. */
    tensors: z.array(tensorSchema).min(1).max(20_000),
    /** What the first, second, … round trains of it; after the last one from the first again. Whole tensors. */
    trainedRanges: z.array(trainedRangeSchema).min(1).max(2),
  })
  .refine(({ parameterCount, tensors }) => sumOf(tensors) === parameterCount, {
    error: 'together must be parameterCount',
    path: ['tensors'],
  })
  .refine(({ tensors, trainedRanges }) => trainedRanges.every((range) => endsWithTensors(tensors, range)), {
    error: 'must start and end with a tensor',
    path: ['trainedRanges'],
  })
  .refine(({ parameterCount, trainedRanges }) => trainedRanges.every(({ end }) => end <= parameterCount), {
    error: 'must lie within parameterCount',
    path: ['trainedRanges'],
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

const HEX_OF_BYTE = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

/** Four times for each update that arrives: a look-up takes a fifth of the time that formatting takes. */
export function bytesToHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += HEX_OF_BYTE[byte]!;
  return hex;
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
