/**
 * What a copy is told, as people write it: keys of `copies:` and options of `stream cp`. Parsers
 * throw a RangeError whose message says what was expected, for the caller to place.
 */
import { CURSOR_NAME, whyNoCursor } from '../base/names.ts';

/** An offset; `start` is all there is, `tail` only what comes from now on. */
export type CopyBeginning = number | 'start' | 'tail';

export function parseBeginning(value: unknown): CopyBeginning {
  if (value === 'start' || value === 'tail') return value;
  const offset = wholeNumber(value);
  if (offset !== undefined) return offset;
  throw new RangeError('expected start, tail or an offset');
}

export function parseBatchRecords(value: unknown): number {
  const records = wholeNumber(value);
  if (records !== undefined && records > 0) return records;
  throw new RangeError('expected a whole number from 1');
}

export function parseCursorName(value: unknown): string {
  const text = String(value);
  if (CURSOR_NAME.test(text)) return text;
  throw new RangeError(whyNoCursor(text));
}

/** @returns undefined for what is none, or is not exact as a number */
function wholeNumber(value: unknown): number | undefined {
  if (typeof value !== 'number' && typeof value !== 'string') return undefined;
  const number = Number(value);
  return /^\d+$/.test(String(value)) && Number.isSafeInteger(number) ? number : undefined;
}
