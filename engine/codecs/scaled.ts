/**
 * Codec 5: floats that are integers in disguise, n / divisor (decimals, such as 21.37) or n × scale
 * (a device's own step). The integers go through codecs 1–4, in chunks also 8–10. Taken only if
 * every value comes back bit for bit; −0, NaN and infinities have no integer and are refused.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts';
import { encodeIntegers } from './addon.ts';
import { CODEC } from './column.ts';
import type { EncodedColumn, FloatEncoder, FloatType } from './column.ts';

const DIVISORS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/** value = n / divisor, or n × scale where divisor is 0; of type f32: rounded to one. */
interface Step {
  divisor: number;
  scale: number;
}

/** `openScaled` decodes: its integers go with those of other columns. */
export const scaled: FloatEncoder = {
  id: CODEC.scaled,
  name: 'scaled',

  encode(values, type, encodeInner = encodeIntegers) {
    const integers = new Float64Array(values.length);
    const step = stepsFor(values).find((candidate) => divide(values, type, candidate, integers));
    if (step === undefined) return undefined;
    const { codec, bytes } = encodeInner(integers);
    const writer = new ByteWriter();
    writer.f64(step.divisor);
    writer.f64(step.scale);
    writer.u8(codec);
    writer.put(bytes);
    return writer.finish();
  },
};

/** The column of integers within, and what makes floats of them where they stand. */
export function openScaled(
  bytes: Uint8Array,
  type: FloatType,
): { inner: EncodedColumn; scaleUp: (values: Float64Array) => void } {
  const reader = new ByteReader(bytes, 'scaled column');
  const step = { divisor: reader.f64(), scale: reader.f64() };
  const inner = { codec: reader.u8(), bytes: reader.rest() };
  const scaleUp = (values: Float64Array): void => {
    for (let i = 0; i < values.length; i++) values[i] = valueOf(values[i]!, step, type);
  };
  return { inner, scaleUp };
}

function valueOf(integer: number, { divisor, scale }: Step, type: FloatType): number {
  const value = divisor === 0 ? integer * scale : integer / divisor;
  return type === 'f32' ? Math.fround(value) : value;
}

/** Decimals first: they are exact. Then the smallest value and the smallest difference as step. */
function stepsFor(values: Float64Array): Step[] {
  let [smallest, nearest] = [Infinity, Infinity];
  let previous = values[0] ?? 0;
  for (const value of values) {
    if (value !== 0) smallest = Math.min(smallest, Math.abs(value));
    if (value !== previous) nearest = Math.min(nearest, Math.abs(value - previous));
    previous = value;
  }
  const scales = [smallest, nearest].filter((scale) => scale > 0 && scale < Infinity);
  return [
    ...DIVISORS.map((divisor) => ({ divisor, scale: 0 })),
    ...scales.map((scale) => ({ divisor: 0, scale })),
  ];
}

/** Fills `integers`; false at the first value that does not come back bit for bit. */
function divide(
  values: Float64Array,
  type: FloatType,
  step: Step,
  integers: Float64Array,
): boolean {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const integer = Math.round(step.divisor === 0 ? value / step.scale : value * step.divisor);
    if (!Number.isSafeInteger(integer)) return false;
    if (!Object.is(valueOf(integer + 0, step, type), value)) return false;
    integers[i] = integer;
  }
  return true;
}
