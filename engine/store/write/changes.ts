/**
 * What changes a store besides records: cursors, trims, removals, and how far it is sealed. Each is
 * a control entry; it is durable when the call returns, and part of the state from then on.
 *
 * All of them run in the thread of the owner's `StoreWriter`, between two commits.
 */
import { assert } from '../../base/assert.ts';
import { KIB } from '../../base/constants.ts';
import { HelicorderError } from '../../base/errors.ts';
import { edge } from '../../base/failpoint.ts';
import {
  cursorEntry,
  placeEntry,
  removeEntry,
  sealedEntry,
  trimEntry,
  type LostEntry,
  type TrimEntry,
} from '../entries/control-entries.ts';
import { KIND, makeLsn, segmentOf, type Lsn } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';
import { addNewLosses } from './lost-entries.ts';
import { namedCursor, namedStream, sameStream } from '../state/named.ts';
import { retentionPart, sameRetention, type RetentionEntry } from '../entries/retention-entry.ts';
import type { UpkeepResult } from '../upkeep/upkeep.ts';
import type { StoreWriter } from './writer.ts';

/** Of trims at once: they have to fit in what is kept back of a segment, on a full disk. */
const TRIMS_BYTES = 32 * KIB;

export interface CursorPosition {
  name: string;
  /** scope/name of the stream it reads */
  stream: string;
  /** which one of that name; undefined: whatever has it now */
  incarnation?: string | undefined;
  /** the first offset its consumer has not had */
  offset: number;
  /** what its owner keeps with it, if anything */
  detail?: string | undefined;
}

/**
 * Sets a cursor.
 * @throws NO_SUCH_STREAM, also if another stream has the name now; USAGE for an offset behind the
 *   stream's end
 */
export function setCursor(writer: StoreWriter, cursor: CursorPosition, utcNanos: bigint): void {
  writer.change((builder) => addCursor(writer, builder, cursor, utcNanos));
}

/** The same within a group that holds more: what is in one group happens together. */
export function addCursor(
  writer: StoreWriter,
  builder: GroupBuilder,
  { name, stream, incarnation, offset, detail }: CursorPosition,
  utcNanos: bigint,
): void {
  const { id, nextOffset } = sameStream(writer.state, stream, incarnation);
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > nextOffset) {
    throw new HelicorderError(
      'USAGE',
      `offset ${offset} of cursor ${name}: expected one from 0 to ${nextOffset}, the end of ${stream}`,
    );
  }
  const entry = { name, stream: id, offset, updatedNanos: utcNanos, detail: detail ?? null };
  builder.add(KIND.cursor, id, cursorEntry.encode(entry));
}

/** @throws NO_SUCH_CURSOR */
export function removeCursor(writer: StoreWriter, name: string): void {
  const cursor = namedCursor(writer.state, name);
  const entry = cursorEntry.encode({ ...cursor, offset: null });
  writer.change((builder) => builder.add(KIND.cursor, cursor.stream, entry));
}

/**
 * Removes a stream with all it holds; one of the same name made later is another one.
 * @throws NO_SUCH_STREAM, USAGE while a run of this owner, or what waits for space, writes to it
 */
export function removeStream(writer: StoreWriter, name: string): void {
  const { id } = namedStream(writer.state, name);
  if (writer.isRecording(id)) {
    throw new HelicorderError('USAGE', `${name} is being recorded: end what writes to it first`);
  }
  const entry = removeEntry.encode({ stream: id });
  writer.change((builder) => builder.add(KIND.remove, id, entry));
}

/**
 * Lets go of everything before a low-water mark: from now on it reads as gap(retired). One that
 * would not move the mark forward changes nothing.
 * @param trim made by `planTrim`
 */
export function trimStream(writer: StoreWriter, trim: TrimEntry): void {
  trimStreams(writer, [trim]);
}

/** The same of many, which grow old together: few writes, each of a part of them. */
function trimStreams(writer: StoreWriter, trims: readonly TrimEntry[]): void {
  const left = trims.filter((trim) => movesForward(writer, trim));
  const addSome = (builder: GroupBuilder): void => {
    while (left.length > 0 && builder.bytes < TRIMS_BYTES) {
      const trim = left.shift()!;
      builder.add(KIND.trim, trim.stream, trimEntry.encode(trim));
    }
  };
  while (left.length > 0) edge('trim-entry', () => writer.change(addSome));
}

function movesForward({ state }: StoreWriter, { stream: id, lowWater }: TrimEntry): boolean {
  const stream = state.streams.get(id);
  if (stream === undefined || lowWater <= state.lowWaterOf(id)) return false;
  assert(lowWater <= stream.nextOffset, 'only what is durable can be let go of');
  return true;
}

/** Says that everything before `end`, the beginning of a segment, lies in chunks. */
export function sealUpTo(writer: StoreWriter, end: Lsn): void {
  if (end <= writer.state.sealedEnd) return;
  const current = makeLsn(segmentOf(writer.durableEnd), 0);
  assert(end <= current, 'the segment being written is never sealed');
  edge('sealed-entry', () =>
    writer.change((builder) => builder.add(KIND.sealed, 0, sealedEntry.encode({ end }))),
  );
}

/**
 * Carries out what a step of upkeep has found, as far as it concerns the log.
 * @throws NO_SPACE: the next step finds it again; STORE_IO: final
 */
export function applyUpkeep(writer: StoreWriter, result: UpkeepResult): void {
  if (result.did === 'sealed') sealUpTo(writer, result.end);
  if (result.did === 'planned') trimStreams(writer, result.trims);
  // also what could not go before
  writer.recycleSealed();
  if (result.droppableBytes !== undefined) writer.admission.hear(result.droppableBytes);
}

/**
 * From now on chunks go to `dir`; those in places named before stay where they are, and are read.
 * @param dir absolute; undefined: into the store itself, or where they went before
 */
export function setChunksDir(writer: StoreWriter, dir: string | undefined): void {
  if (dir === undefined || [...writer.state.places].at(-1) === dir) return;
  writer.change((builder) => builder.add(KIND.place, 0, placeEntry.encode({ dir })));
}

/** From now on this is kept, by whoever owns the store without being told otherwise. */
export function setRetention(writer: StoreWriter, retention: RetentionEntry): void {
  if (sameRetention(writer.state.retention, retention)) return;
  const { kind, payload, flags } = retentionPart(retention);
  writer.change((builder) => builder.add(kind, 0, payload, flags));
}

/**
 * Writes down ranges that a reader found lost, durably: they read as gap(corrupt) for good.
 * @returns how many of them the log did not say yet
 */
export function pinLosses(writer: StoreWriter, lost: readonly LostEntry[]): number {
  const builder = writer.group();
  const count = addNewLosses(builder, writer.state, lost);
  if (!builder.isEmpty) writer.commit(builder);
  return count;
}
