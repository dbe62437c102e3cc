import { FLOAT_BYTES, halfTable, widen, words16 } from './halfFloat.ts';
import { formatOf } from './safetensors.ts';
import type { StoredTensor } from './safetensorsHeader.ts';

/** An embedding table that stays on the CPU as it is stored, in half the bytes for F16, and is widened row by row. */
export type RowTable = {
  rows: number;
  columns: number;
  /** target[at … at + columns) += row. */
  addRow(row: number, target: Float32Array, at: number): void;
};

/** @param tensor [rows, columns] */
export function rowTable(tensor: StoredTensor): RowTable {
  const [rows, columns] = tensor.shape as [number, number];
  const format = formatOf(tensor);
  const check = (row: number) => {
    if (!(row >= 0 && row < rows)) {
      throw new RangeError(`row ${row} of ${tensor.name} was asked for, which has ${rows}`);
    }
  };
  if (format === 'F16') {
    const widened = halfTable();
    const bits = words16(tensor.bytes);
    return {
      rows,
      columns,
      addRow(row, target, at) {
        check(row);
        for (let i = 0; i < columns; i++) target[at + i]! += widened[bits[row * columns + i]!]!;
      },
    };
  }
  const rowBytes = columns * FLOAT_BYTES[format];
  return {
    rows,
    columns,
    addRow(row, target, at) {
      check(row);
      const values = widen(tensor.bytes.subarray(row * rowBytes, (row + 1) * rowBytes), format);
      for (let i = 0; i < columns; i++) target[at + i]! += values[i]!;
    },
  };
}
