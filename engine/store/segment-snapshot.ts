/**
 * What segments begin with: the control state of that moment, as a whole, or of it what is asked
 * about one stream. A segment of a store with ten thousand streams begins with megabytes; to ask
 * about one of them takes the piece that names it.
 */
import { BLOCK_BYTES } from '../base/constants.ts';
import { errnoCode } from '../base/errors.ts';
import type { FileSystem } from '../files/file-system.ts';
import type { StreamSnapshot } from './control.ts';
import { GROUP_FLAG, KIND, makeLsn, offsetOf, segmentOf, type Lsn } from './log/format.ts';
import { readLog, segmentStart } from './log/log.ts';
import { placedRun, readPlaced, type PlacedEntry } from './log/placed-run.ts';
import type { Window } from './log/scan.ts';
import { listSegments, openSegment } from './log/segment.ts';
import { PIECE_HEAD_BYTES, headOf, streamIn } from './snapshot-text.ts';
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

/** What the beginning of a segment says of a stream. */
export interface StreamThere {
  /** undefined: there was no such stream */
  stream: StreamSnapshot | undefined;
}

/**
 * @param end nothing at or behind it is looked at
 * @returns undefined if the segment has gone, or what it begins with cannot be read
 */
export function streamAtBeginning(
  fs: FileSystem,
  logDir: string,
  segment: number,
  stream: number,
  end: Lsn,
): StreamThere | undefined {
  try {
    const found = streamInPieces(fs, logDir, segment, stream, end);
    if (found) return found;
    const state = readSnapshot(fs, logDir, segment, end);
    return state && { stream: state.streams.get(stream) };
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** @returns undefined if only the whole snapshot can tell */
function streamInPieces(
  fs: FileSystem,
  logDir: string,
  segment: number,
  stream: number,
  end: Lsn,
): StreamThere | undefined {
  const open = openSegment(fs, logDir, segment);
  if (open === undefined) return undefined;
  try {
    const { window, header } = open;
    window.readAheadTo(0);
    const endByte = segmentOf(end) === segment ? offsetOf(end) : header.size;
    const run = placedRun(open, BLOCK_BYTES, endByte);
    if (run === undefined || !(run.flags & GROUP_FLAG.snapshot)) return undefined;
    const pieces = run.entries.filter(({ kind }) => kind === KIND.snapshot);
    const piece = pieceOf(window, pieces, stream);
    const bytes = piece && readPlaced(window, piece);
    return bytes && streamThere(bytes, stream);
  } finally {
    open.close();
  }
}

function streamThere(piece: Uint8Array, stream: number): StreamThere | undefined {
  const head = headOf(piece);
  if (head && stream >= head.nextStream) return { stream: undefined };
  const found = streamIn(piece, stream);
  return found && { stream: found };
}

/**
 * The last piece that begins with this stream or one before it; else the first, which has none.
 * What the heads say is not checked yet, so they only tell where to look.
 */
function pieceOf(
  window: Window,
  pieces: readonly PlacedEntry[],
  stream: number,
): PlacedEntry | undefined {
  let [low, high] = [1, pieces.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const { at, length } = pieces[middle]!.parts[0]!;
    const head = headOf(window.bytes(at, Math.min(length, PIECE_HEAD_BYTES)));
    // those behind the streams have none of them
    if ((head?.firstStream ?? Infinity) <= stream) low = middle + 1;
    else high = middle;
  }
  return pieces[low - 1];
}
