/**
 * Row 7 without a store: the bytes of the capture's columns alone, as the log's codecs and as the
 * dense ones of chunks encode them, in one batch of 16,000. Bytes are exact on any machine, under
 * any load.
 */
import {
  decodeColumn,
  encodeColumn,
  encodeColumnDense,
  type Column,
  type ValueType,
} from '../engine/codecs/codec.ts';
import { HelicorderError } from '../engine/base/errors.ts';
import { CAPTURE_PERIOD_NANOS, loadCapture, type Capture } from './capture.ts';
import type { Arm, Experiment, RowSpec } from './harness.ts';

const NAMES = ['time', 'x', 'y', 'z'] as const;

export type ColumnBytes = Record<(typeof NAMES)[number] | 'total', number>;

/** Bytes per sample of each column, and of all. @throws HelicorderError unless each comes back */
export function columnBytes(capture: Capture, encode: typeof encodeColumn): ColumnBytes {
  const { timeNanos, x, y, z } = capture;
  const bytesOf = (type: ValueType, values: Column): number => {
    const column = encode(type, values);
    const back = decodeColumn(type, column, values.length);
    if (back.every((value, i) => value === values[i])) return column.bytes.length / values.length;
    throw new HelicorderError('ASSERTION', `a column of ${type} came back as another one`);
  };
  const bytes = {
    time: bytesOf('i64', latenessOf(timeNanos)),
    x: bytesOf('i8', Float64Array.from(x)),
    y: bytesOf('i8', Float64Array.from(y)),
    z: bytesOf('i8', Float64Array.from(z)),
  };
  return { ...bytes, total: bytes.time + bytes.x + bytes.y + bytes.z };
}

/** As the log's time column has it: time − due. */
function latenessOf(timeNanos: BigInt64Array): BigInt64Array {
  return timeNanos.map((time, i) => time - timeNanos[0]! - BigInt(i * CAPTURE_PERIOD_NANOS));
}

function arm(name: string, encode: typeof encodeColumn): Arm {
  return { name, measure: async () => Promise.resolve(columnBytes(loadCapture(), encode)) };
}

const log = arm("columns with the log's codecs", encodeColumn);
const dense = arm('columns with dense codecs', encodeColumnDense);

function row(name: keyof ColumnBytes): RowSpec {
  return {
    id: `7-dense-${name}`,
    name: `bytes per sample, dense columns: ${name}`,
    figure: { panel: 'bytes per sample of dense columns', at: name },
    unit: 'B',
    better: 'lower',
    gate: null,
    stretch: null,
    subject: dense.name,
    value: (metrics) => metrics[name]!,
    reference: { arm: log.name, value: (metrics) => metrics[name]! },
  };
}

export const columns: Experiment = {
  name: 'columns',
  rounds: 1,
  arms: [dense, log],
  rows: [...NAMES, 'total' as const].map(row),
};
