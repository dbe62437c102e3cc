/** float64, little-endian as every platform of Node that we run on. */
export function toBlob(values: Float64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Copied, since the driver's bytes need not start at a multiple of 8. */
export function fromBlob(blob: Uint8Array): Float64Array {
  return new Float64Array(Uint8Array.from(blob).buffer);
}
