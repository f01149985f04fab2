/**
 * What a piece of a snapshot says of one stream or run, without parsing the hundreds beside it.
 *
 * Pieces are JSON as `JSON.stringify` writes it, with keys in the order of their tables
 * (`control.ts`), so the first keys of an object tell where it begins: within a string each
 * quote has a backslash before it, and no string holds what is looked for. Whoever finds nothing
 * has to parse the whole: it may be written in another way.
 */
import { runSnapshot, streamSnapshot, type RunSnapshot, type StreamSnapshot } from './control.ts';

/** The bytes of a piece that `headOf` needs. */
export const PIECE_HEAD_BYTES = 192;

const HEAD = new RegExp(
  String.raw`^\{"generation":"\d+","nextStream":"(\d+)","nextRun":"(\d+)",` +
    String.raw`"clean":(?:true|false),"streams":\[` +
    String.raw`(?:\{"id":"(\d+)",|\],"schemas":\[\],"runs":\[\{"id":"(\d+)",)?`,
);
const OBJECT = '{"id":"';
const [QUOTE, BACKSLASH, OPEN, CLOSE] = [0x22, 0x5c, 0x7b, 0x7d];

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
