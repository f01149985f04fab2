/**
 * Recovery: from the files of a log to the control state and the place where writing goes on.
 *
 * It needs the newest segment that has been begun, and not history: each segment starts with a
 * snapshot of the control state. If that snapshot cannot be read (rot), recovery starts one segment
 * earlier and reads on from there; if none can, with what is intact of the oldest one: that of a
 * store's very first segment says nothing anyway. So damage never stops recording. Nothing is
 * changed on disk here; the caller syncs what was read before it shows it, sends it or builds upon
 * it.
 */
import { decodeGap } from '../../batch/format.ts';
import type { FileSystem } from '../../files/file-system.ts';
import { usingFile } from '../../files/using-file.ts';
import type { StorePaths } from '../log/files.ts';
import { lastDurable, saysClosed } from '../log/mark.ts';
import { ControlState } from './state.ts';
import {
  KIND,
  NO_LINK,
  groupLimit,
  makeLsn,
  offsetOf,
  segmentOf,
  type Link,
  type Lsn,
} from '../entries/format.ts';
import {
  behind,
  readLog,
  segmentStart,
  type LogFault,
  type LogGroup,
  type LogPosition,
} from '../log/log.ts';
import { SegmentIndex } from '../entries/segment-index.ts';
import { listSegments, openSegment, segmentPath } from '../log/segment.ts';

/** What is to be learnt of a log. */
export interface Wanted {
  /** a reader's limit from the mark; undefined: all that is there */
  end?: Lsn | undefined;
  /**
   * The records of the newest segment are not accounted for, unless there is damage: streams and
   * writers are as far as they were where it begins. For upkeep, which is about what lies before.
   */
  isControlOnly?: boolean | undefined;
}

/** Streams or runs that a store makes before its first damage, at most, beside these. */
const NUMBERS_EVER = 2 ** 24;
/** And in a segment, on average. */
const NUMBERS_PER_SEGMENT = 2 ** 12;
/** A stream's number has 32 bits in the log, the counter of an epoch 33. */
const NUMBERS_UNKNOWN_MAX = 2 ** 30;

/** A segment that was being made, and the one before it. */
const WRITTEN_LAST = 2;

export interface Recovered {
  state: ControlState;
  /** the byte behind the last group that counts, and that group */
  end: Lsn;
  last: Link;
  /** where the next group is written: behind a torn tail with room to spare */
  writeFrom: Lsn;
  faults: LogFault[];
  /** what the segment of `end` holds */
  index: SegmentIndex;
  /** numbers of newer files that were being made when the end came */
  unbegun: number[];
}

/**
 * @returns undefined if the log is empty: no segment was ever begun
 */
export function recover(
  fs: FileSystem,
  logDir: string,
  wanted: Wanted = {},
): Recovered | undefined {
  const { end } = wanted;
  const numbers = listSegments(fs, logDir).filter(
    (number) => end === undefined || number <= segmentOf(end),
  );
  const unbegun: number[] = [];
  for (const number of numbers.toReversed()) {
    const content = probe(fs, logDir, number);
    // what lies before a segment with groups is no new one: it is damaged
    if (content === 'nothing' && number === numbers.at(-1 - unbegun.length)) unbegun.push(number);
    if (content === 'snapshot') {
      const recovered = readForward(fs, logDir, number, wanted, unbegun);
      if (recovered) return recovered;
    }
  }
  if (unbegun.length === numbers.length) return undefined;
  const oldest = numbers.find((number) => !unbegun.includes(number))!;
  return readForward(fs, logDir, oldest, wanted, unbegun, unknownBefore(oldest));
}

/** Before the first segment there was nothing to be known. */
function unknownBefore(segment: number): ControlState {
  const state = new ControlState();
  if (segment === 1) return state;
  state.isPartial = true;
  state.nextStream = state.nextRun = unusedBefore(segment);
  return state;
}

/**
 * A number that no stream and no run has that was begun before the segment. Only chunks may still
 * name them, in places that nobody knows of: so it is not looked for, but as large as no store ever
 * comes by counting, and larger the next time that nothing is known.
 */
function unusedBefore(segment: number): number {
  return Math.min(NUMBERS_EVER + segment * NUMBERS_PER_SEGMENT, NUMBERS_UNKNOWN_MAX);
}

/**
 * Rot of the last groups looks like a torn write. The mark of the same boot tells them apart: it
 * never says more than what was durable. What it proves lost becomes a fault of `recovered`.
 */
function noteLostEnd(
  recovered: Recovered,
  fs: FileSystem,
  { mark, log }: Pick<StorePaths, 'mark' | 'log'>,
  bootId: string,
): void {
  const durable = lastDurable(fs, mark, bootId);
  const { end, faults } = recovered;
  if (durable === undefined || durable <= end) return;
  const [segment, offset] = [segmentOf(end), offsetOf(end)];
  const length = segmentOf(durable) === segment ? durable - end : 0;
  const place = { segment, file: segmentPath(log, segment), offset, length };
  faults.push({ kind: 'fault', lost: true, ...place, what: 'lost groups at the end' });
}

/** `recover` for whoever holds the lock, alone or shared: there is no owner. */
export function recoverUnowned(
  fs: FileSystem,
  paths: StorePaths,
  bootId: string,
  wanted?: Wanted,
): Recovered | undefined {
  const { log, mark } = paths;
  if (!saysClosed(fs, mark, bootId)) distrustCache(fs, log);
  const recovered = recover(fs, log, wanted);
  if (recovered) noteLostEnd(recovered, fs, paths, bootId);
  return recovered;
}

/**
 * After an end that was not clean: a failed sync may have left in the page cache what never reached
 * the disk, so the segments that were being written are read from the disk.
 */
function distrustCache(fs: FileSystem, logDir: string): void {
  for (const segment of listSegments(fs, logDir).slice(-WRITTEN_LAST)) {
    usingFile(fs, segmentPath(logDir, segment), 'read', (file) => {
      file.sync();
      file.dropCache();
    });
  }
}

/** What a segment can give: its snapshot, groups without a readable snapshot, or nothing. */
function probe(fs: FileSystem, logDir: string, segment: number): 'snapshot' | 'groups' | 'nothing' {
  const open = openSegment(fs, logDir, segment);
  if (open === undefined) return 'nothing';
  open.close();
  const at: LogPosition = { lsn: segmentStart(segment), last: undefined };
  for (const item of readLog(fs, logDir, at, makeLsn(segment, open.header.size))) {
    if (item.kind !== 'group') continue;
    return item.isSnapshot && item.entries.all().every((entry) => entry.intact)
      ? 'snapshot'
      : 'groups';
  }
  return 'nothing';
}

function readForward(
  fs: FileSystem,
  logDir: string,
  segment: number,
  { end, isControlOnly }: Wanted,
  unbegun: number[],
  unknown?: ControlState,
): Recovered | undefined {
  const faults: LogFault[] = [];
  const log = readLog(fs, logDir, { lsn: segmentStart(segment), last: undefined }, end);
  let state = unknown;
  let index = new SegmentIndex();
  let lossy = unknown !== undefined;
  let reached: LogPosition = { lsn: segmentStart(segment), last: undefined };
  let step = log.next();
  try {
    for (; !step.done; step = log.next()) {
      const item = step.value;
      if (item.kind === 'group') reached = behind(item);
      if (item.kind === 'fault') {
        // one that is still being made has nothing to lose, and will go
        if (!unbegun.includes(item.segment)) faults.push(item);
        lossy ||= item.lost;
      } else if (item.isSnapshot) {
        if (state === unknown) state = fromIntact(item, unknown) ?? state;
        index = new SegmentIndex();
      } else if (isControlOnly) {
        state?.applyControl(item);
      } else if (state !== undefined) {
        index.add(state.apply(item, lossy || hasDamage(item)), item.offset);
      }
      if (isControlOnly && (lossy || tellsOfDamage(item))) {
        const before = unknown && unknownBefore(segment);
        return readForward(fs, logDir, segment, { end }, unbegun, before);
      }
    }
  } finally {
    log.return(reached);
  }
  if (state === undefined) return undefined;
  const isBegun = !unbegun.includes(segmentOf(step.value.lsn));
  const { lsn, last } = isBegun ? step.value : reached;
  const writeFrom = nextWrite(fs, logDir, lsn, faults);
  return { state, end: lsn, last: last ?? NO_LINK, writeFrom, faults, index, unbegun };
}

/** What is intact of a snapshot; the rest of it is unknown. */
function fromIntact(
  { entries }: LogGroup,
  unknown: ControlState | undefined,
): ControlState | undefined {
  const intact = entries.all().filter((entry) => entry.intact);
  if (intact.length === 0) return undefined;
  const state = ControlState.fromSnapshot(intact);
  if (!unknown?.isPartial) return state;
  state.isPartial = true;
  state.nextStream = Math.max(state.nextStream, unknown.nextStream);
  state.nextRun = Math.max(state.nextRun, unknown.nextRun);
  return state;
}

function hasDamage(group: LogGroup): boolean {
  for (const view = group.entries.view(); view.next();) if (!view.isIntact()) return true;
  return false;
}

/** Of its own, or by gaps that stand for what is lost. */
function tellsOfDamage(item: LogGroup | LogFault): boolean {
  if (item.kind === 'fault') return false;
  for (const view = item.entries.view(); view.next();) {
    if (!view.isIntact()) return true;
    if (view.kind === KIND.gap && decodeGap(view.entry().payload).reason === 'corrupt') return true;
  }
  return false;
}

/** Right behind the last group, or, behind a torn tail, one largest possible group further on. */
function nextWrite(fs: FileSystem, logDir: string, end: Lsn, faults: readonly LogFault[]): Lsn {
  const segment = segmentOf(end);
  const tail = faults.at(-1);
  const dirty = tail?.segment === segment && tail.offset >= offsetOf(end) ? tail : undefined;
  if (dirty === undefined) return end;
  const open = openSegment(fs, logDir, segment)!;
  open.close();
  const clear = Math.max(offsetOf(end) + groupLimit(open.header.size), dirty.offset + dirty.length);
  return makeLsn(segment, Math.min(clear, open.header.size));
}

/** Where an owner of the log goes on. */
export interface LogStart {
  /** place of the next group; the segment exists */
  writeFrom: Lsn;
  segment: number;
  last: Link;
  index: SegmentIndex;
}

export function startOf({ writeFrom, last, index }: Recovered): LogStart {
  return { writeFrom, segment: segmentOf(writeFrom), last, index };
}
