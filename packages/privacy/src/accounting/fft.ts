/*
 * Fast Fourier transform of complex numbers in two Float64Arrays, in place, lengths a power of two. Forward leaves the
 * spectrum in bit-reversed order and inverse takes it so: what lies between them here (powers and products of
 * spectra) does not mind the order, and no time goes into sorting.
 */

/** cos and sin of πj/half for j < half, for half = 2^level; made when first needed, 16 MB for the largest size used. */
type Twiddles = { cosines: Float64Array; sines: Float64Array };
const twiddles: Twiddles[] = [];

function twiddlesOf(half: number): Twiddles {
  const level = Math.log2(half);
  for (let made = twiddles.length; made <= level; made++) {
    const cosines = new Float64Array(2 ** made);
    const sines = new Float64Array(2 ** made);
    for (let j = 0; j < 2 ** made; j++) {
      cosines[j] = Math.cos((Math.PI * j) / 2 ** made);
      sines[j] = Math.sin((Math.PI * j) / 2 ** made);
    }
    twiddles.push({ cosines, sines });
  }
  return twiddles[level]!;
}

/** Blocks of this size stay in a processor's cache while all their stages are done. */
const CACHED_SIZE = 4096;

/**
 * X[k] = Σ x[j]·exp(−2πi·jk/size), at position bitReverse(k).
 * @param re real parts, shape [size], size a power of two; changed in place
 * @param im imaginary parts, the same shape
 * @throws {RangeError} the size is no power of two, or the shapes differ
 */
export function forwardFft(re: Float64Array, im: Float64Array): void {
  forwardBlock(re, im, 0, checkedSize(re, im));
}

/**
 * x[j] = Σ X[k]·exp(+2πi·jk/size), without the factor 1/size.
 * @param re real parts of the spectrum in bit-reversed order, as `forwardFft` leaves it; changed in place
 * @param im imaginary parts, the same shape
 * @throws {RangeError} the size is no power of two, or the shapes differ
 */
export function inverseFft(re: Float64Array, im: Float64Array): void {
  inverseBlock(re, im, 0, checkedSize(re, im));
}

/** After its first stage the halves of a block are transforms of their own. */
function forwardBlock(re: Float64Array, im: Float64Array, start: number, size: number): void {
  if (size > CACHED_SIZE) {
    const half = size / 2;
    forwardButterflies(re, im, start, half, twiddlesOf(half));
    forwardBlock(re, im, start, half);
    forwardBlock(re, im, start + half, half);
    return;
  }
  for (let half = size / 2; half >= 1; half /= 2) {
    const table = twiddlesOf(half);
    for (let at = start; at < start + size; at += 2 * half) forwardButterflies(re, im, at, half, table);
  }
}

function inverseBlock(re: Float64Array, im: Float64Array, start: number, size: number): void {
  if (size > CACHED_SIZE) {
    const half = size / 2;
    inverseBlock(re, im, start, half);
    inverseBlock(re, im, start + half, half);
    inverseButterflies(re, im, start, half, twiddlesOf(half));
    return;
  }
  for (let half = 1; half < size; half *= 2) {
    const table = twiddlesOf(half);
    for (let at = start; at < start + size; at += 2 * half) inverseButterflies(re, im, at, half, table);
  }
}

function forwardButterflies(
  re: Float64Array,
  im: Float64Array,
  start: number,
  half: number,
  { cosines, sines }: Twiddles,
): void {
  for (let j = 0, a = start, b = start + half; j < half; j++, a++, b++) {
    const differenceRe = re[a]! - re[b]!;
    const differenceIm = im[a]! - im[b]!;
    re[a] = re[a]! + re[b]!;
    im[a] = im[a]! + im[b]!;
    re[b] = differenceRe * cosines[j]! + differenceIm * sines[j]!;
    im[b] = differenceIm * cosines[j]! - differenceRe * sines[j]!;
  }
}

function inverseButterflies(
  re: Float64Array,
  im: Float64Array,
  start: number,
  half: number,
  { cosines, sines }: Twiddles,
): void {
  for (let j = 0, a = start, b = start + half; j < half; j++, a++, b++) {
    const turnedRe = re[b]! * cosines[j]! - im[b]! * sines[j]!;
    const turnedIm = im[b]! * cosines[j]! + re[b]! * sines[j]!;
    re[b] = re[a]! - turnedRe;
    im[b] = im[a]! - turnedIm;
    re[a] = re[a]! + turnedRe;
    im[a] = im[a]! + turnedIm;
  }
}

/**
 * Where the spectrum of real data holds the complex conjugate of what it holds at `position`, in bit-reversed order.
 * Negating k flips all bits over its lowest set bit; reversed, these are the bits under the highest one.
 * @param position ≥ 1, below the size
 */
export function conjugatePosition(position: number): number {
  const highestBit = 2 ** (31 - Math.clz32(position));
  return 3 * highestBit - 1 - position;
}

function checkedSize(re: Float64Array, im: Float64Array): number {
  const size = re.length;
  if (size < 1 || !Number.isInteger(Math.log2(size)) || im.length !== size) {
    throw new RangeError(`expected two arrays of one power of two, got lengths ${size} and ${im.length}`);
  }
  return size;
}
