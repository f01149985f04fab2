/** What a copy is asked for, looked at before anything is opened for it. */
import { resolve } from 'node:path';
import { COPY_LINGER_MAX_MS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { cursorName, streamName } from '../base/names.ts';
import type { CopyOptions } from './copy.ts';

/** @throws USAGE, which names what cannot be */
export function checkCopy(options: CopyOptions): void {
  const { from, to, cursor } = options;
  streamName(from);
  streamName(to);
  if (cursor !== undefined) cursorName(cursor);
  checkNumbers(options);
  checkEnds(options);
}

/** Nothing that is compared with NaN, or counted by halves, comes to an end. */
function checkNumbers(options: CopyOptions): void {
  const { begin, end, batchRecords, bytesPerSecond, lingerMs } = options;
  const isWord = begin === 'start' || begin === 'tail';
  check('begin', begin, isWord || isWhole(begin, 0), 'start, tail or an offset');
  check('end', end, isWhole(end, 0) || end === Infinity, 'an offset');
  const isBatch = isWhole(batchRecords, 1) || batchRecords === Infinity;
  check('batchRecords', batchRecords, isBatch, 'a whole number from 1');
  const isRate = isWithin(bytesPerSecond, Number.MIN_VALUE);
  check('bytesPerSecond', bytesPerSecond, isRate, 'a number above 0');
  const isLinger = isWithin(lingerMs, 0, COPY_LINGER_MAX_MS);
  check('lingerMs', lingerMs, isLinger, `0 to ${COPY_LINGER_MAX_MS}`);
}

function check(name: keyof CopyOptions, value: unknown, isRight: boolean, expected: string): void {
  if (value === undefined || isRight) return;
  throw new HelicorderError('USAGE', `${name} ${String(value)}: expected ${expected}`);
}

function isWhole(value: unknown, least: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

function isWithin(value: unknown, least: number, most = Infinity): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function checkEnds({ dataDir, from, toDataDir, to, begin, end }: CopyOptions): void {
  if (typeof begin === 'number' && end !== undefined && end < begin) {
    throw new HelicorderError('USAGE', `--to ${end} lies before --from ${begin}`);
  }
  if (from !== to || resolve(dataDir) !== resolve(toDataDir)) return;
  throw new HelicorderError('USAGE', `${from} would be copied onto itself: name another stream`);
}
