/**
 * The log as one sequence of groups over all its segments, read from any LSN to any later one.
 * Everybody who reads records reads through here: recovery, tail and history readers, verify.
 */
import { BLOCK_BYTES } from '../../base/constants.ts';
import type { FileSystem } from '../../files/file-system.ts';
import { makeLsn, offsetOf, segmentOf, type Link, type Lsn } from '../entries/format.ts';
import { joinRuns, scanSegment, type BadRange, type ScannedGroup } from './scan.ts';
import { listSegments, openSegment, segmentPath, type OpenSegment } from './segment.ts';

export type LogGroup = ScannedGroup;

/** A range that holds no readable group. `lost`: what stood there had been acknowledged. */
export interface LogFault {
  kind: 'fault';
  lost: boolean;
  segment: number;
  file: string;
  offset: number;
  length: number;
  what: string;
}

export type LogItem = LogGroup | LogFault;

/** Where a reader stands: the next byte, and the last group before it if that is known. */
export interface LogPosition {
  lsn: Lsn;
  last: Link | undefined;
}

/** The first byte of a segment's groups. */
export function segmentStart(segment: number): Lsn {
  return makeLsn(segment, BLOCK_BYTES);
}

/**
 * Keeps the segment that was read last open, so that following the log costs one read a time. Who
 * reads has taken it: nobody else closes it. What has been sealed meanwhile reads as it was, or as
 * zeros, torn or damaged.
 */
export class KeptSegment {
  #segment: OpenSegment | undefined;

  take(number: number): OpenSegment | undefined {
    const segment = this.#segment;
    if (segment?.header.segment !== number) return undefined;
    this.#segment = undefined;
    return segment;
  }

  keep(segment: OpenSegment): void {
    this.close();
    this.#segment = segment;
  }

  close(): void {
    this.#segment?.close();
    this.#segment = undefined;
  }
}

/**
 * Reads the log from `from` up to `end`. Payloads are views, valid until the next step.
 * @param end nothing at or behind it is read; undefined: all there is
 * @param kept where the segment that is read last stays open
 */
export function* readLog(
  fs: FileSystem,
  logDir: string,
  from: LogPosition,
  end: Lsn | undefined,
  kept?: KeptSegment,
): Generator<LogItem, LogPosition> {
  const isWithinOne = end !== undefined && segmentOf(end) === segmentOf(from.lsn);
  const tail = isWithinOne ? kept?.take(segmentOf(end)) : undefined;
  const numbers = tail ? [] : segmentsBetween(fs, logDir, from.lsn, end);
  let position = from;
  let current = tail ?? openNext(fs, logDir, numbers);
  let next: OpenSegment | undefined;
  try {
    if (current) yield* missing(logDir, segmentOf(from.lsn) - 1, current.header.segment);
    while (current !== undefined) {
      const { segment } = current.header;
      next = openNext(fs, logDir, numbers);
      if (segment > segmentOf(position.lsn)) position = enter(position, current);
      if (current.headerRebuilt) yield fault(current, true, 0, BLOCK_BYTES, 'segment header');
      position = yield* readSegment(current, position, end, next?.header.predecessor);
      if (next) yield* missing(logDir, segment, next.header.segment);
      if (kept && !next && !current.headerRebuilt) kept.keep(current);
      else current.close();
      current = next;
    }
  } finally {
    current?.close();
    if (next !== current) next?.close();
  }
  return position;
}

function segmentsBetween(
  fs: FileSystem,
  logDir: string,
  from: Lsn,
  end: Lsn | undefined,
): number[] {
  const first = segmentOf(from);
  const last = end === undefined ? Infinity : segmentOf(end);
  // a long history has thousands of names: they are not listed for the sake of one
  if (first === last) return fs.exists(segmentPath(logDir, first)) ? [first] : [];
  return listSegments(fs, logDir).filter((number) => number >= first && number <= last);
}

/** Opens the next of `numbers` that is a segment; a newest file without content is none yet. */
function openNext(fs: FileSystem, logDir: string, numbers: number[]): OpenSegment | undefined {
  for (let number = numbers.shift(); number !== undefined; number = numbers.shift()) {
    const segment = openSegment(fs, logDir, number);
    if (segment) return segment;
  }
  return undefined;
}

function enter(position: LogPosition, { header }: OpenSegment): LogPosition {
  const known = position.last?.lsn === header.predecessor.lsn ? position.last : header.predecessor;
  return { lsn: segmentStart(header.segment), last: known };
}

function* readSegment(
  open: OpenSegment,
  position: LogPosition,
  end: Lsn | undefined,
  successor: Link | undefined,
): Generator<LogItem, LogPosition> {
  const { header, window } = open;
  const isLast = end !== undefined && segmentOf(end) === header.segment;
  // one that is rebuilt names what the first group does that can be read
  const isStart = offsetOf(position.lsn) <= BLOCK_BYTES && !open.headerRebuilt;
  const last = position.last ?? (isStart ? header.predecessor : undefined);
  const scanEnd = Math.min(isLast ? offsetOf(end) : header.size, open.heldBytes());
  window.readAheadTo(scanEnd);
  const scan = scanSegment(window, header, {
    from: Math.max(offsetOf(position.lsn), BLOCK_BYTES),
    end: scanEnd,
    predecessor: last,
    successor: isLast ? undefined : successor,
  });
  let reached: LogPosition = { lsn: position.lsn, last };
  for (const item of joinRuns(tracked(scan, (group) => (reached = behind(group))))) {
    yield item.kind === 'group' ? item : faultOf(open, item);
  }
  return reached;
}

/** Passes items on and tells of each group, so that the position survives the joining of runs. */
function* tracked<T extends { kind: string }>(
  items: Iterable<T>,
  seen: (group: ScannedGroup) => void,
): Generator<T> {
  for (const item of items) {
    if (item.kind === 'group') seen(item as unknown as ScannedGroup);
    yield item;
  }
}

/** Where the next group begins. */
export function behind({ segment, offset, size, link }: LogGroup): LogPosition {
  return { lsn: makeLsn(segment, offset + size.padded), last: link };
}

function faultOf(open: OpenSegment, bad: BadRange): LogFault {
  return fault(open, bad.kind === 'damage', bad.offset, bad.length, bad.what);
}

function fault(
  open: OpenSegment,
  lost: boolean,
  offset: number,
  length: number,
  what: string,
): LogFault {
  const { segment } = open.header;
  return { kind: 'fault', lost, segment, file: open.path, offset, length, what };
}

function* missing(logDir: string, before: number, after: number): Generator<LogFault> {
  for (let segment = before + 1; segment < after; segment++) {
    const file = segmentPath(logDir, segment);
    yield {
      kind: 'fault',
      lost: true,
      segment,
      file,
      offset: 0,
      length: 0,
      what: 'missing segment',
    };
  }
}
