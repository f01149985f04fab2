/**
 * What segments say of themselves. They end with what each stream has in them (the footer), and
 * begin with the control state of that moment: read as a whole, or of it what is asked about one
 * stream or run. A segment of a store with ten thousand streams begins with megabytes; to ask about
 * one of them takes the piece that names it.
 */
import { BLOCK_BYTES } from '../../base/constants.ts';
import type { FileSystem } from '../../files/file-system.ts';
import {
  footerEntry,
  type FooterStream,
  type RunSnapshot,
  type StreamSnapshot,
} from '../entries/control-entries.ts';
import {
  GROUP_FLAG,
  KIND,
  alignUp,
  makeLsn,
  offsetOf,
  segmentOf,
  type Lsn,
} from '../entries/format.ts';
import { readLog, segmentStart } from '../log/log.ts';
import { placedRun, readPlaced, type PlacedEntry } from '../log/placed-run.ts';
import type { Window } from '../log/scan.ts';
import { listSegments, openSegment } from '../log/segment.ts';
import {
  PIECE_HEAD_BYTES,
  headOf,
  runIn,
  streamIn,
  type PieceHead,
} from '../entries/snapshot-text.ts';
import { ControlState } from './state.ts';

/** The state that a segment begins with, or undefined if it cannot be read. */
export function readSnapshot(
  fs: FileSystem,
  logDir: string,
  segment: number,
  end: Lsn,
): ControlState | undefined {
  const from = { lsn: segmentStart(segment), last: undefined };
  for (const item of readLog(fs, logDir, from, end)) {
    if (item.kind !== 'group') continue;
    if (!item.isSnapshot || item.segment !== segment) return undefined;
    return ControlState.fromIntact(item.entries.all());
  }
  return undefined;
}

/** What the footer of a finished segment says; nothing if it has none that can be read. */
export function readFooter(fs: FileSystem, logDir: string, segment: number): FooterStream[] {
  const next = openSegment(fs, logDir, segment + 1);
  next?.close();
  const place = next?.header.predecessor;
  if (place === undefined || segmentOf(place.lsn) !== segment) return [];
  const end = place.lsn + alignUp(place.length);
  for (const item of readLog(fs, logDir, { lsn: place.lsn, last: undefined }, end)) {
    if (item.kind !== 'group' || item.offset !== offsetOf(place.lsn)) return [];
    const footer = item.entries.all().find((entry) => entry.kind === KIND.footer && entry.intact);
    return footer ? footerEntry.decode(footer.payload).streams : [];
  }
  return [];
}

/** What the segments behind one begin with: they name runs whose own entries are damaged. */
export function* snapshotsBehind(
  fs: FileSystem,
  logDir: string,
  segment: number,
): Generator<ControlState> {
  for (const number of listSegments(fs, logDir)) {
    if (number <= segment) continue;
    const state = readSnapshot(fs, logDir, number, makeLsn(number + 1, 0));
    if (state) yield state;
  }
}

/** What the beginning of a segment says of a stream or run. */
export interface Stated<T> {
  /** undefined: there was no such thing */
  value: T | undefined;
}

/**
 * @param end nothing at or behind it is looked at
 * @returns undefined if what the segment begins with cannot be read
 * @throws ENOENT if it has gone
 */
export function streamAtBeginning(
  fs: FileSystem,
  logDir: string,
  segment: number,
  stream: number,
  end: Lsn,
): Stated<StreamSnapshot> | undefined {
  return atBeginning([fs, logDir, segment, end], {
    isBehind: ({ firstStream = Infinity }) => firstStream > stream,
    isNone: ({ nextStream }) => stream >= nextStream,
    find: (piece) => streamIn(piece, stream),
    findInWhole: ({ streams }) => streams.get(stream),
  });
}

/** The same of a run, which it names if it was its writer's latest. */
export function runAtBeginning(
  fs: FileSystem,
  logDir: string,
  segment: number,
  run: number,
  end: Lsn,
): Stated<RunSnapshot> | undefined {
  return atBeginning([fs, logDir, segment, end], {
    isBehind: ({ firstRun = 0 }) => firstRun > run,
    isNone: ({ nextRun }) => run >= nextRun,
    find: (piece) => runIn(piece, run),
    findInWhole: ({ runs }) => runs.get(run),
  });
}

/** What is looked for in pieces that are in the order of its number. */
interface Wanted<T> {
  /** by a piece's head, which is not checked yet */
  isBehind: (head: PieceHead) => boolean;
  isNone: (head: PieceHead) => boolean;
  find: (piece: Uint8Array) => T | undefined;
  findInWhole: (state: ControlState) => T | undefined;
}

/** Which snapshot, as `readSnapshot` takes it. */
type Place = Parameters<typeof readSnapshot>;

function atBeginning<T>(place: Place, wanted: Wanted<T>): Stated<T> | undefined {
  const found = inPieces(place, wanted);
  if (found) return found;
  const state = readSnapshot(...place);
  return state && { value: wanted.findInWhole(state) };
}

/** @returns undefined if only the whole snapshot can tell */
function inPieces<T>([fs, logDir, segment, end]: Place, wanted: Wanted<T>): Stated<T> | undefined {
  const open = openSegment(fs, logDir, segment);
  if (open === undefined) return undefined;
  try {
    const { window, header } = open;
    window.readAheadTo(0);
    const endByte = segmentOf(end) === segment ? offsetOf(end) : header.size;
    const run = placedRun(open, BLOCK_BYTES, endByte);
    if (run === undefined || !(run.flags & GROUP_FLAG.snapshot)) return undefined;
    const pieces = run.entries.filter(({ kind }) => kind === KIND.snapshot);
    const piece = lastNotBehind(window, pieces, wanted);
    const bytes = piece && readPlaced(window, piece);
    return bytes && stated(bytes, wanted);
  } finally {
    open.close();
  }
}

function stated<T>(piece: Uint8Array, { isNone, find }: Wanted<T>): Stated<T> | undefined {
  const head = headOf(piece);
  if (head && isNone(head)) return { value: undefined };
  const value = find(piece);
  return value && { value };
}

/** The first piece has schemas alone, and counts as before all others. */
function lastNotBehind<T>(
  window: Window,
  pieces: readonly PlacedEntry[],
  { isBehind }: Wanted<T>,
): PlacedEntry | undefined {
  let [low, high] = [1, pieces.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { at, length } = pieces[middle]!.parts[0]!;
    const head = headOf(window.bytes(at, Math.min(length, PIECE_HEAD_BYTES)));
    if (head && !isBehind(head)) low = middle + 1;
    else high = middle;
  }
  return pieces[low - 1];
}
