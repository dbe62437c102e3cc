import type { Body, Definition, Local, Value } from './assembler.ts';
import { define, f32, f32x4, i32 } from './assembler.ts';

const FLOAT_BYTES = 4;
/** Columns that one pass of the product computes: two vectors. */
export const PANEL_COLUMNS = 8;
/** A packed panel has one row of biases, then a row for each inner index. */
export const PANEL_BYTES_PER_ROW = PANEL_COLUMNS * FLOAT_BYTES;
const BLOCK_ROWS = 4;

/**
 * Copies up to eight columns of b into a panel: a row of biases (zeros where `bias` is 0), then row after row, filled up
 * with zeros. Strides are in bytes, so that a transposed b is packed as well.
 */
const pack = define(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  (body, b, rowStride, columnStride, inner, columns, bias, panel) => {
    const zero = f32.const(0);
    for (let column = 0; column < PANEL_COLUMNS; column++) {
      const given = i32.lessThan(i32.const(column), columns);
      const offset = column * FLOAT_BYTES;
      const to = body.variable(i32.add(panel, i32.const(offset)));
      body.store(to, zero);
      body.when(given, () => {
        body.when(bias, () => body.store(to, f32.load(bias, offset)));
      });
    }
    const end = body.variable(
      i32.add(panel, i32.mul(i32.add(inner, i32.const(1)), i32.const(PANEL_BYTES_PER_ROW))),
    );
    const to = body.variable(i32.add(panel, i32.const(PANEL_BYTES_PER_ROW)));
    const from = body.variable(b);
    const whole = i32.and(
      i32.equal(columns, i32.const(PANEL_COLUMNS)),
      i32.equal(columnStride, i32.const(FLOAT_BYTES)),
    );
    body.when(
      whole,
      () =>
        body.while(i32.lessThan(to, end), () => {
          body.store(to, f32x4.load(from));
          body.store(to, f32x4.load(from, 16), 16);
          body.advance(from, rowStride);
          body.advance(to, PANEL_BYTES_PER_ROW);
        }),
      () => {
        const value = body.variable(from);
        const last = body.variable(from);
        const rowEnd = body.variable(i32.const(0));
        body.while(i32.lessThan(to, end), () => {
          body.set(value, from);
          body.set(last, i32.add(to, i32.mul(columns, i32.const(FLOAT_BYTES))));
          body.set(rowEnd, i32.add(to, i32.const(PANEL_BYTES_PER_ROW)));
          body.while(i32.lessThan(to, last), () => {
            body.store(to, f32.load(value));
            body.advance(value, columnStride);
            body.advance(to, FLOAT_BYTES);
          });
          body.while(i32.lessThan(to, rowEnd), () => {
            body.store(to, zero);
            body.advance(to, FLOAT_BYTES);
          });
          body.advance(from, rowStride);
        });
      },
    );
  },
);

/**
 * c = a times a packed panel plus its biases, for all rows of a. Every element is added up in the order of k, whether
 * its row is computed with three others or alone: a row's result depends on that row only, bit by bit.
 * Strides of a and c are in bytes; `spare` has room for eight floats.
 */
const multiply = define(
  ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'],
  (body, a, rowStride, innerStride, panel, c, outStride, rows, inner, columns, spare) => {
    const step = (count: number) =>
      multiplyRows(body, count, a, rowStride, innerStride, panel, c, outStride, inner, columns, spare);
    const left = body.variable(rows);
    body.while(i32.lessThan(i32.const(BLOCK_ROWS - 1), left), () => {
      step(BLOCK_ROWS);
      body.advance(left, -BLOCK_ROWS);
    });
    body.while(left, () => {
      step(1);
      body.advance(left, -1);
    });
  },
);

type Int = Value<'i32'>;

/** One block of rows; leaves a and c at the next block. */
function multiplyRows(
  body: Body,
  count: number,
  a: Local<'i32'>,
  rowStride: Int,
  innerStride: Int,
  panel: Int,
  c: Local<'i32'>,
  outStride: Int,
  inner: Int,
  columns: Int,
  spare: Int,
): void {
  const rows = Array.from({ length: count }, () => {
    const row = {
      from: body.variable(a),
      low: body.variable(f32x4.load(panel)),
      high: body.variable(f32x4.load(panel, 16)),
    };
    body.advance(a, rowStride);
    return row;
  });
  const from = body.variable(i32.add(panel, i32.const(PANEL_BYTES_PER_ROW)));
  const end = body.variable(i32.add(from, i32.mul(inner, i32.const(PANEL_BYTES_PER_ROW))));
  const low = body.variable(f32x4.const(0));
  const high = body.variable(f32x4.const(0));
  const value = body.variable(f32x4.const(0));
  body.while(i32.lessThan(from, end), () => {
    body.set(low, f32x4.load(from));
    body.set(high, f32x4.load(from, 16));
    for (const row of rows) {
      body.set(value, f32x4.loadSplat(row.from));
      body.set(row.low, f32x4.add(row.low, f32x4.mul(value, low)));
      body.set(row.high, f32x4.add(row.high, f32x4.mul(value, high)));
      body.advance(row.from, innerStride);
    }
    body.advance(from, PANEL_BYTES_PER_ROW);
  });
  for (const row of rows) {
    body.when(
      i32.equal(columns, i32.const(PANEL_COLUMNS)),
      () => {
        body.store(c, row.low);
        body.store(c, row.high, 16);
      },
      () => {
        body.store(spare, row.low);
        body.store(spare, row.high, 16);
        const source = body.variable(spare);
        const to = body.variable(c);
        const last = body.variable(i32.add(c, i32.mul(columns, i32.const(FLOAT_BYTES))));
        body.while(i32.lessThan(to, last), () => {
          body.store(to, f32.load(source));
          body.advance(source, FLOAT_BYTES);
          body.advance(to, FLOAT_BYTES);
        });
      },
    );
    body.advance(c, outStride);
  }
}

export const matMulKernels = { pack, multiply } satisfies Record<string, Definition>;
