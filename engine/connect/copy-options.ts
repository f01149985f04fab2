/** What a copy is asked for, looked at before anything is opened for it. */
import { resolve } from 'node:path';
import { COPY_LINGER_MAX_MS, ROUTING_KEY_MAX_CHARACTERS } from '../base/constants.ts';
import { HelicorderError } from '../base/errors.ts';
import { cursorName, streamName } from '../base/names.ts';
import type { TransformFile } from '../derive/transform-file.ts';
import type { Fault } from '../store/read/stream-item.ts';
import type { CopyProgress } from '../txn/copier.ts';

export interface CopyOptions {
  dataDir: string;
  /** scope/name */
  from: string;
  toDataDir: string;
  /** scope/name */
  to: string;
  /**
   * where a new copy begins; one that was begun goes on where it was, unless it has ended with
   * SOURCE_DIVERGED. Default: `start`
   */
  begin?: number | 'start' | 'tail';
  /** the first offset not wanted; default: the end there is now, or none if it follows */
  end?: number;
  /** goes on until the signal aborts */
  follow?: boolean;
  /** name of the cursor; default: from source, target and derivation */
  cursor?: string;
  /** only the samples for which it holds, `derive/where.ts`; the others become gap(filtered) */
  where?: string;
  /** what becomes of each record that is kept: a file with a `defineTransform` */
  transform?: TransformFile;
  /** `RemoteAddr` of all that is copied, 1 to 255 characters; default: each record's own */
  routingKey?: string;
  /**
   * what is asked for stands in a configuration, and is said again at each start: an error in it is
   * CONFIG, and `begin` does not say that somebody has looked after SOURCE_DIVERGED
   */
  isFromFile?: boolean;
  /**
   * most records of one transaction, from 1; more than COPY_BATCH_RECORDS are spilled by the target
   */
  batchRecords?: number;
  /** above 0; default: no limit */
  bytesPerSecond?: number;
  /** of a copy that follows: see `CopierOptions`; default COPY_LINGER_MS */
  lingerMs?: number;
  signal?: AbortSignal;
  onProgress?: (progress: CopyProgress) => void;
  onDamage?: (fault: Fault) => void;
  /** the owner of one of the stores waits for space */
  onWaiting?: (message: string) => void;
}

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
  const { begin, end, batchRecords, bytesPerSecond, lingerMs, routingKey } = options;
  const isWord = begin === 'start' || begin === 'tail';
  check('begin', begin, isWord || isWhole(begin, 0), 'start, tail or an offset');
  check('end', end, isWhole(end, 0) || end === Infinity, 'an offset');
  const isBatch = isWhole(batchRecords, 1) || batchRecords === Infinity;
  check('batchRecords', batchRecords, isBatch, 'a whole number from 1');
  const isRate = isWithin(bytesPerSecond, Number.MIN_VALUE);
  check('bytesPerSecond', bytesPerSecond, isRate, 'a number above 0');
  const isLinger = isWithin(lingerMs, 0, COPY_LINGER_MAX_MS);
  check('lingerMs', lingerMs, isLinger, `0 to ${COPY_LINGER_MAX_MS}`);
  const isKey = isWithin(routingKey?.length, 1, ROUTING_KEY_MAX_CHARACTERS);
  check('routingKey', routingKey, isKey, `1 to ${ROUTING_KEY_MAX_CHARACTERS} characters`);
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
