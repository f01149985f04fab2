/**
 * The text of a snapshot's pieces: written without making it anew for each of a thousand streams,
 * and read, of one stream or run, without parsing the hundreds beside it.
 *
 * Pieces are JSON as `JSON.stringify` writes it, with keys in the order of their tables
 * (`control-entries.ts`), so the first keys of an object tell where it begins: within a string each
 * quote has a backslash before it, and no string holds what is looked for. Whoever finds nothing
 * has to parse the whole: it may be written in another way.
 *
 * The first fields of a stream or run, most of its text, never change, and are kept as they were
 * written last. A segment ends while samples wait: of 1024 streams with a run each the text took
 * 16 ms, and 24 to 40 with cold caches; it takes 4, and 5 to 8.
 */
import { orNull, withList, type ControlCodec } from './control-fields.ts';
import {
  runEntry,
  runSnapshot,
  snapshotEntry,
  streamEntry,
  streamSnapshot,
  type RunSnapshot,
  type SnapshotEntry,
  type StreamSnapshot,
} from './control-entries.ts';

/** The bytes of a piece that `headOf` needs. */
export const PIECE_HEAD_BYTES = 192;

const HEAD = new RegExp(
  String.raw`^\{"generation":"\d+","nextStream":"(\d+)","nextRun":"(\d+)",` +
    String.raw`"clean":(?:true|false),"streams":\[` +
    String.raw`(?:\{"id":"(\d+)",|\],"schemas":\[\],"runs":\[\{"id":"(\d+)",)?`,
);
const OBJECT = '{"id":"';
const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x7b, 0x7d];

/** What each piece says, besides what it is made for. */
export type PieceFrame = Pick<SnapshotEntry, 'generation' | 'nextStream' | 'nextRun' | 'clean'>;

type Encoder<T> = Pick<ControlCodec<T>, 'encode'>;

/** @param all canonical texts by id */
export function schemasPiece(frame: PieceFrame, all: ReadonlyMap<string, string>): Uint8Array {
  const schemas = [...all].map(([id, schema]) => ({ id, schema }));
  return snapshotEntry.encode({ ...frame, streams: [], schemas, runs: [] });
}

/** As `snapshotEntry` encodes these streams. */
export function streamsPiece(frame: PieceFrame, streams: readonly StreamSnapshot[]): Uint8Array {
  return pieceOf(frame, 'streams', streams, streamEntry, movingOfStream);
}

/** As `snapshotEntry` encodes these runs. */
export function runsPiece(frame: PieceFrame, runs: readonly RunSnapshot[]): Uint8Array {
  return pieceOf(frame, 'runs', runs, runEntry, movingOfRun);
}

/** @param fixed encodes the fields that stay; `moving` gives the others' text, behind a comma */
function pieceOf<T extends { schemaId: string }>(
  frame: PieceFrame,
  key: string,
  items: readonly T[],
  fixed: Encoder<T>,
  moving: (item: T) => string,
): Uint8Array {
  const parts = items.map((item) => ({ kept: keptText(item, fixed), text: moving(item) }));
  return withList(schemasPiece(frame, new Map()), key, parts);
}

/** The text of an object without its closing brace, and the schema it was made with. */
const keptTexts = new WeakMap<object, { schemaId: string; text: Uint8Array }>();

/** Of what stays only a stream's schema may be another one in its next run. */
function keptText<T extends { schemaId: string }>(item: T, fixed: Encoder<T>): Uint8Array {
  const kept = keptTexts.get(item);
  if (kept?.schemaId === item.schemaId) return kept.text;
  const text = fixed.encode(item).subarray(0, -1);
  keptTexts.set(item, { schemaId: item.schemaId, text });
  return text;
}

function movingOfStream({ nextOffset, totals }: StreamSnapshot): string {
  const { records, samples, bytes, paddingBytes, firstNanos, lastNanos, unorderedEnd } = totals;
  const disorder = unorderedEnd === undefined ? '' : `,"unorderedEnd":"${unorderedEnd}"`;
  return (
    `,"nextOffset":"${nextOffset}","totals":{"records":"${records}","samples":"${samples}",` +
    `"bytes":"${bytes}","paddingBytes":"${paddingBytes}","firstNanos":${orNull(firstNanos)},` +
    `"lastNanos":${orNull(lastNanos)}${disorder}}}`
  );
}

function movingOfRun({ nextSeq, ordinal, lastTick, lastNanos, endReason }: RunSnapshot): string {
  return (
    `,"nextSeq":"${nextSeq}","ordinal":"${ordinal}","lastTick":${orNull(lastTick)},` +
    `"lastNanos":${orNull(lastNanos)},"endReason":${JSON.stringify(endReason)}}`
  );
}

export interface PieceHead {
  /** what is made next is given these numbers: there is none above */
  nextStream: number;
  nextRun: number;
  /** of what is in it, in the order of the numbers: streams, or runs, or neither */
  firstStream: number | undefined;
  firstRun: number | undefined;
}

/** @returns undefined if it is written in another way */
export function headOf(piece: Uint8Array): PieceHead | undefined {
  const found = HEAD.exec(bufferOf(piece.subarray(0, PIECE_HEAD_BYTES)).toString('latin1'));
  if (found === null) return undefined;
  const [nextStream, nextRun, firstStream, firstRun] = found.slice(1).map(numberOf);
  return { nextStream: nextStream!, nextRun: nextRun!, firstStream, firstRun };
}

function numberOf(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits);
}

/** @throws DAMAGED */
export function streamIn(piece: Uint8Array, id: number): StreamSnapshot | undefined {
  const text = bufferOf(piece);
  const start = text.indexOf(`${OBJECT}${id}","name":"`);
  return start < 0 ? undefined : streamSnapshot.decode(objectAt(text, start));
}

/** @throws DAMAGED */
export function runIn(piece: Uint8Array, id: number): RunSnapshot | undefined {
  const text = bufferOf(piece);
  const start = text.indexOf(`${OBJECT}${id}","stream":"`);
  return start < 0 ? undefined : runSnapshot.decode(objectAt(text, start));
}

/** The object that begins at `start`; what has no end is malformed, and its decoder says so. */
function objectAt(text: Buffer, start: number): Uint8Array {
  let depth = 0;
  let isString = false;
  for (let at = start; at < text.length; at++) {
    const byte = text[at];
    if (isString && byte === BACKSLASH) at++;
    else if (byte === QUOTE) isString = !isString;
    else if (isString) continue;
    else if (byte === OPEN) depth++;
    else if (byte === CLOSE && --depth === 0) return text.subarray(start, at + 1);
  }
  return text.subarray(start);
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}
