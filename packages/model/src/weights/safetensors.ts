import { ModelError } from '../modelError.ts';
import { shortenedName } from '../shortened.ts';
import type { FloatFormat } from './halfFloat.ts';
import { FLOAT_BYTES, firstNotFinite, isFloatFormat, widen } from './halfFloat.ts';
import type { StoredTensor } from './safetensorsHeader.ts';
import { readLayout } from './safetensorsHeader.ts';

/** A tensor widened to float32. */
export type NamedTensor = { shape: number[]; values: Float32Array };

/**
 * Reads a safetensors file whole, as an adapter's; a model's weights stay in their file (`readWeights`).
 * @returns tensors by name, F16 and BF16 widened to float32
 * @throws {ModelError} a layout that `readLayout` refuses, a dtype other than F32/F16/BF16, a NaN or infinite weight
 */
export function readSafetensors(bytes: Uint8Array, fileName = 'model.safetensors'): Map<string, NamedTensor> {
  return new Map(
    readLayout(bytes, fileName).map((tensor) => {
      checkFinite(tensor);
      return [tensor.name, { shape: tensor.shape, values: floatsOf(tensor) }];
    }),
  );
}

/**
 * All numbers of a stored tensor as float32.
 * @throws {ModelError} it does not hold floats of a format that float32 can hold
 */
export function floatsOf(tensor: StoredTensor): Float32Array {
  return widen(tensor.bytes, formatOf(tensor));
}

/** @throws {ModelError} not F32, F16 or BF16 */
export function formatOf({ name, dtype, fileName }: StoredTensor): FloatFormat {
  if (isFloatFormat(dtype)) return dtype;
  throw new ModelError(
    `${fileName}: tensor ${shortenedName(name)} has dtype ${dtype}, expected F32, F16 or BF16`,
  );
}

/** @throws {ModelError} not floats, or a NaN or an infinity among them */
export function checkFinite(tensor: StoredTensor): void {
  const { name, bytes, fileName } = tensor;
  const format = formatOf(tensor);
  const at = firstNotFinite(bytes, format);
  if (at < 0) return;
  const size = FLOAT_BYTES[format];
  const [value] = widen(bytes.subarray(at * size, (at + 1) * size), format);
  throw new ModelError(`${fileName}: tensor ${shortenedName(name)} holds ${value} at ${at}`);
}

/** Writes float32 tensors as a safetensors file, in the order given. */
export function writeSafetensors(
  tensors: ReadonlyMap<string, NamedTensor>,
  metadata: Record<string, string>,
): Uint8Array {
  const parts = Array.from(tensors, ([name, { shape, values }]) => {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return { name, dtype: 'F32', shape, bytes } as const;
  });
  return joinSafetensors(parts, metadata);
}

/** A tensor to write, its numbers little-endian. */
export type TensorPart = { name: string; dtype: FloatFormat; shape: number[]; bytes: Uint8Array };

/** Writes tensors as they are, in the order given. */
export function joinSafetensors(parts: readonly TensorPart[], metadata: Record<string, string>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const { name, dtype, shape, bytes } of parts) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.byteLength] };
    offset += bytes.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces to a multiple of 8 bytes, as the reference writer does
  const json = new Uint8Array(Math.ceil(text.byteLength / 8) * 8).fill(0x20);
  json.set(text);
  const file = new Uint8Array(8 + json.byteLength + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.byteLength), true);
  file.set(json, 8);
  let at = 8 + json.byteLength;
  for (const { bytes } of parts) {
    file.set(bytes, at);
    at += bytes.byteLength;
  }
  return file;
}
