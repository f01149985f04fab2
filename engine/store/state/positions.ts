/**
 * Where the input of a writer was when its last records were appended: an entry in the group of
 * those records, so neither is ever there without the other.
 */
import { HelicorderError } from '../../base/errors.ts';
import { control, count, text } from '../entries/control-fields.ts';
import { ENTRY_FLAG, KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';

/** How far an input has been read. The store keeps it, and looks at none of it. */
export interface InputPosition {
  /** what tells the file from any other: 1 to 1000 characters */
  file: string;
  /** bytes of it that have been read */
  offset: number;
  /** of those bytes: at most 200 characters; empty: none was computed */
  hash: string;
}

export interface WriterPosition extends InputPosition {
  /** the last seq of the append that carried it: records behind it were appended without one */
  seq: number;
}

export interface PositionEntry extends WriterPosition {
  stream: number;
  writer: string;
}

const FILE_MAX_CHARACTERS = 1000;
const HASH_MAX_CHARACTERS = 200;

export const positionEntry = control<PositionEntry>('position', {
  stream: count,
  writer: text,
  seq: count,
  file: text,
  offset: count,
  hash: text,
});

/**
 * Adds it to the group of the records that it speaks of.
 * @param records those of this append, however many
 * @throws USAGE for a position that cannot be: then nothing was added
 */
export function addPosition(
  builder: GroupBuilder,
  { stream, writer }: { stream: number; writer: string },
  { firstSeq, events }: { firstSeq: number; events: number },
  { file, offset, hash }: InputPosition,
): void {
  const isSound =
    file.length >= 1 &&
    file.length <= FILE_MAX_CHARACTERS &&
    hash.length <= HASH_MAX_CHARACTERS &&
    Number.isSafeInteger(offset) &&
    offset >= 0;
  if (!isSound) {
    throw new HelicorderError(
      'USAGE',
      `position ${offset} of an input: expected a whole number from 0, a file of 1 to ` +
        `${FILE_MAX_CHARACTERS} characters and a hash of at most ${HASH_MAX_CHARACTERS}`,
    );
  }
  const entry = { stream, writer, seq: firstSeq + events - 1, file, offset, hash };
  builder.add(KIND.position, stream, positionEntry.encode(entry), ENTRY_FLAG.ignorable);
}

/** The last position of each writer, as a part of the control state. */
export class Positions {
  readonly #byWriter = new Map<string, PositionEntry>();

  of(stream: number, writer: string): WriterPosition | undefined {
    const entry = this.#byWriter.get(writerKey(stream, writer));
    if (entry === undefined) return undefined;
    const { file, offset, hash, seq } = entry;
    return { file, offset, hash, seq };
  }

  take(payload: Uint8Array): void {
    const entry = positionEntry.decode(payload);
    this.#byWriter.set(writerKey(entry.stream, entry.writer), entry);
  }

  /** The stream is removed. */
  forget(stream: number): void {
    for (const [key, entry] of this.#byWriter) {
      if (entry.stream === stream) this.#byWriter.delete(key);
    }
  }

  /** As entries of a snapshot. */
  parts(): { kind: number; flags: number; payload: Uint8Array }[] {
    const flags = ENTRY_FLAG.ignorable;
    return [...this.#byWriter.values()].map((entry) => {
      return { kind: KIND.position, flags, payload: positionEntry.encode(entry) };
    });
  }
}

/** Of what is kept for each writer of each stream. */
export function writerKey(stream: number, writer: string): string {
  return `${stream}/${writer}`;
}
