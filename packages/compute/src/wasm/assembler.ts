/**
 * A small WebAssembly assembler: functions over one imported memory, written as expressions in TypeScript. It knows only
 * what our kernels use. Fixed-width SIMD without the relaxed instructions, so that every engine computes the same bits.
 * @see WebAssembly Core Specification 2.0, section 5 (binary format)
 */

export type Type = 'i32' | 'f32' | 'v128';

/** Instructions that leave one value of the type on the stack. */
export type Value<T extends Type = Type> = { readonly type: T; readonly bytes: readonly number[] };

/** A parameter or variable; as a value it is what it holds when it is read. */
export type Local<T extends Type = Type> = Value<T> & { readonly index: number };

const TYPE_CODES: Record<Type, number> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

/** LEB128; section 5.2.2. */
function unsigned(value: number): number[] {
  const bytes = [];
  let rest = value >>> 0;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  return [...bytes, rest];
}

function signed(value: number): number[] {
  const bytes = [];
  let rest = value | 0;
  while (rest < -64 || rest > 63) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  return [...bytes, rest & 0x7f];
}

function float(value: number): number[] {
  return [...new Uint8Array(Float32Array.of(value).buffer)];
}

type I32 = Value<'i32'>;
type F32 = Value<'f32'>;
type V128 = Value<'v128'>;

function make<T extends Type>(type: T, operands: readonly Value[], ...code: number[]): Value<T> {
  return { type, bytes: [...operands.flatMap((operand) => operand.bytes), ...code] };
}

const simd = (opcode: number) => [0xfd, ...unsigned(opcode)];
/** Alignment 4 and a constant offset; section 5.4.6. */
const at = (offset: number) => [0x02, ...unsigned(offset)];

const i32Binary = (opcode: number) => (a: I32, b: I32) => make('i32', [a, b], opcode);
const f32Binary = (opcode: number) => (a: F32, b: F32) => make('f32', [a, b], opcode);
const v128Unary = (opcode: number) => (a: V128) => make('v128', [a], ...simd(opcode));
const v128Binary = (opcode: number) => (a: V128, b: V128) => make('v128', [a, b], ...simd(opcode));

export const i32 = {
  const: (value: number): I32 => ({ type: 'i32', bytes: [0x41, ...signed(value)] }),
  add: i32Binary(0x6a),
  sub: i32Binary(0x6b),
  mul: i32Binary(0x6c),
  and: i32Binary(0x71),
  /** Unsigned, for addresses go up to 4 GiB. */
  lessThan: i32Binary(0x49),
  equal: i32Binary(0x46),
};

export const f32 = {
  const: (value: number): F32 => ({ type: 'f32', bytes: [0x43, ...float(value)] }),
  load: (address: I32, offset = 0) => make('f32', [address], 0x2a, ...at(offset)),
  add: f32Binary(0x92),
  sub: f32Binary(0x93),
  mul: f32Binary(0x94),
  div: f32Binary(0x95),
  max: f32Binary(0x97),
  sqrt: (a: F32) => make('f32', [a], 0x91),
  /** Of an unsigned integer. */
  convert: (a: I32) => make('f32', [a], 0xb3),
  notEqual: (a: F32, b: F32) => make('i32', [a, b], 0x5c),
};

/** Four float32 lanes. */
export const f32x4 = {
  const: (value: number): V128 => ({
    type: 'v128',
    bytes: [...simd(12), ...float(value), ...float(value), ...float(value), ...float(value)],
  }),
  load: (address: I32, offset = 0) => make('v128', [address], ...simd(0), ...at(offset)),
  /** One float32 from memory in all lanes. */
  loadSplat: (address: I32, offset = 0) => make('v128', [address], ...simd(9), ...at(offset)),
  splat: (a: F32) => make('v128', [a], ...simd(19)),
  lane: (a: V128, lane: number) => make('f32', [a], ...simd(31), lane),
  add: v128Binary(228),
  sub: v128Binary(229),
  mul: v128Binary(230),
  div: v128Binary(231),
  min: v128Binary(232),
  max: v128Binary(233),
  abs: v128Unary(224),
  nearest: v128Unary(106),
  trunc: v128Unary(105),
  /** All bits of a lane set where a < b. */
  lessThan: v128Binary(67),
  and: v128Binary(78),
  /** Bits of a where the mask is set, else of b. */
  select: (mask: V128, a: V128, b: V128) => make('v128', [a, b, mask], ...simd(82)),
  /** 2^n of whole numbers n from -126 to 127, by writing the exponent bits. */
  exponent: (n: V128) =>
    make('v128', [make('v128', [n], ...simd(248)), i32x4Bias], ...simd(174), 0x41, 23, ...simd(171)),
};
const i32x4Bias: V128 = make('v128', [i32.const(127)], ...simd(17));

/** Collects a function's statements in the order of the calls. */
export class Body {
  readonly #parameterCount: number;
  readonly #locals: Type[] = [];
  readonly #code: number[] = [];

  constructor(parameterCount: number) {
    this.#parameterCount = parameterCount;
  }

  variable<T extends Type>(initial: Value<T>): Local<T> {
    const index = this.#parameterCount + this.#locals.push(initial.type) - 1;
    const local: Local<T> = { type: initial.type, index, bytes: [0x20, ...unsigned(index)] };
    this.set(local, initial);
    return local;
  }

  set<T extends Type>(local: Local<T>, value: Value<T>): void {
    this.#code.push(...value.bytes, 0x21, ...unsigned(local.index));
  }

  /** local += step */
  advance(local: Local<'i32'>, step: I32 | number): void {
    this.set(local, i32.add(local, typeof step === 'number' ? i32.const(step) : step));
  }

  store(address: I32, value: F32 | V128, offset = 0): void {
    this.#code.push(...address.bytes, ...value.bytes);
    this.#code.push(...(value.type === 'f32' ? [0x38] : simd(11)), ...at(offset));
  }

  /** Stores lane 0 only. */
  storeFirst(address: I32, value: V128, offset = 0): void {
    this.#code.push(...address.bytes, ...value.bytes, ...simd(90), ...at(offset), 0);
  }

  when(condition: I32, then: () => void, otherwise?: () => void): void {
    this.#code.push(...condition.bytes, 0x04, 0x40);
    then();
    if (otherwise) {
      this.#code.push(0x05);
      otherwise();
    }
    this.#code.push(0x0b);
  }

  /** Repeats the body while the condition holds, which is also tested before the first time. */
  while(condition: I32, body: () => void): void {
    this.when(condition, () => {
      this.#code.push(0x03, 0x40);
      body();
      this.#code.push(...condition.bytes, 0x0d, 0x00, 0x0b);
    });
  }

  bytes(): number[] {
    const locals = this.#locals.flatMap((type) => [1, TYPE_CODES[type]]);
    const content = [...unsigned(this.#locals.length), ...locals, ...this.#code, 0x0b];
    return [...unsigned(content.length), ...content];
  }
}

/** A function without a result, with parameters of the named types. */
export type Definition = { readonly parameters: readonly Type[]; readonly body: Body };

type Locals<P extends readonly Type[]> = { [I in keyof P]: Local<P[I]> };

export function define<const P extends readonly Type[]>(
  parameters: P,
  write: (body: Body, ...locals: Locals<P>) => void,
): Definition {
  const body = new Body(parameters.length);
  const locals = parameters.map((type, index) => ({ type, index, bytes: [0x20, ...unsigned(index)] }));
  write(body, ...(locals as unknown as Locals<P>));
  return { parameters, body };
}

/** "\0asm" and version 1. */
const HEADER = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A module that imports `env.memory` and exports the functions by name; section 5.5. */
export function assemble(functions: Readonly<Record<string, Definition>>): Uint8Array<ArrayBuffer> {
  const definitions = Object.values(functions);
  const text = (value: string) => [value.length, ...new TextEncoder().encode(value)];
  const list = (items: number[][]) => [...unsigned(items.length), ...items.flat()];
  const section = (id: number, content: number[]) => [id, ...unsigned(content.length), ...content];
  return Uint8Array.from([
    ...HEADER,
    ...section(
      1,
      list(
        definitions.map(({ parameters }) => [
          0x60,
          ...list(parameters.map((type) => [TYPE_CODES[type]])),
          0x00,
        ]),
      ),
    ),
    // Memory of at least no pages, without a maximum that the imported one could exceed
    ...section(2, list([[...text('env'), ...text('memory'), 0x02, 0x00, 0x00]])),
    ...section(3, list(definitions.map((_, index) => unsigned(index)))),
    ...section(
      7,
      list(Object.keys(functions).map((name, index) => [...text(name), 0x00, ...unsigned(index)])),
    ),
    ...section(10, list(definitions.map(({ body }) => body.bytes()))),
  ]);
}
