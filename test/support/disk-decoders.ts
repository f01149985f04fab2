/**
 * Every decoder of what lies on a disk. In a store a checksum stands before each of them: here
 * nothing does, or it is made right again.
 */
import { decodeBatch, decodeEvents, decodeGap, decodeTimes } from '../../engine/batch/format.ts';
import { unpackEvents } from '../../engine/batch/opaque.ts';
import { decodeSamples } from '../../engine/batch/samples.ts';
import { parseSchema } from '../../engine/batch/schema.ts';
import { crc32c } from '../../engine/base/crc32c.ts';
import { damaged } from '../../engine/base/bytes.ts';
import { BLOCK_BYTES, MIB } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import {
  decodeColumn,
  decodeIntegers,
  decodeIntegersReference,
  type EncodedColumn,
} from '../../engine/codecs/codec.ts';
import * as chunk from '../../engine/store/chunks/format.ts';
import { decodePack } from '../../engine/store/chunks/pack.ts';
import * as control from '../../engine/store/entries/control-entries.ts';
import {
  GROUP_CRC_BYTES,
  KIND,
  decodeGroupHeader,
  decodeSegmentHeader,
  sealGroup,
  viewOf,
  type GroupHeader,
} from '../../engine/store/entries/format.ts';
import { EntryTable, joinFragments } from '../../engine/store/entries/entries.ts';
import { positionEntry } from '../../engine/store/state/positions.ts';
import { decodeReached } from '../../engine/store/state/reached.ts';
import { retentionEntry } from '../../engine/store/entries/retention-entry.ts';
import { spillEntry, spilledEntry } from '../../engine/store/entries/spill-entry.ts';
import { decodePieces } from '../../engine/txn/piece-format.ts';
import { FLOATS, columnOfInput } from './column-input.ts';
import type { Decoder } from './fuzz.ts';
import { entryDecoder, goldenEntries, goldenSchema } from './golden-inputs.ts';

const DAMAGED = ['DAMAGED'] as const;
const text = (input: Uint8Array): string => new TextDecoder().decode(input);
const plain = (name: string, decode: Decoder['decode']): Decoder => {
  return { name, decode, codes: DAMAGED };
};

function batchDecoders(): Decoder[] {
  const times = decodeTimes(goldenEntries(KIND.times)[0]!);
  const batch = decodeBatch(goldenEntries(KIND.batch)[0]!);
  const schema = goldenSchema();
  return [
    plain('times', decodeTimes),
    plain('batch', decodeBatch),
    plain('events', (input) => unpackEvents(decodeEvents(input))),
    plain('gap', decodeGap),
    { ...plain('schema', (input) => parseSchema(text(input))), ...JSON_TEXT },
    plain('pieces', decodePieces),
    plain('samples-batch', (input) => decodeSamples(times, decodeBatch(input), schema)),
    plain('samples-times', (input) => decodeSamples(decodeTimes(input), batch, schema)),
  ];
}

function columnDecoders(): Decoder[] {
  return [
    plain('integers', (input) => sameAsReference(whole(columnOfInput(input)))),
    plain('floats', (input) => {
      const { kind, count, ...column } = whole(columnOfInput(input));
      return decodeColumn(FLOATS[kind]!, column, count);
    }),
  ];
}

/** The addon refuses what the reference refuses, and gives the same values. */
function sameAsReference({ count, ...column }: EncodedColumn & { count: number }): void {
  const expected = valuesOr(() => decodeIntegersReference(column, count));
  const values = valuesOr(() => decodeIntegers(column, count));
  const isRefused = expected instanceof HelicorderError;
  if (isRefused && values instanceof HelicorderError) throw expected;
  if (String(values) !== String(expected)) throw new Error('the addon and the reference differ');
}

function valuesOr(decode: () => BigInt64Array): BigInt64Array | HelicorderError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof HelicorderError) return error;
    throw error;
  }
}

/** What a decoder answers for bytes that are none of its own. */
function whole<T>(answer: T | string | undefined): T {
  if (answer === undefined || typeof answer === 'string') throw damaged(`it is ${answer ?? 'cut'}`);
  return answer;
}

const ENTRIES = {
  ...{ stream: control.streamEntry, schema: control.schemaEntry, run: control.runEntry },
  ...{ runEnd: control.runEndEntry, start: control.startEntry, snapshot: control.snapshotEntry },
  ...{ footer: control.footerEntry, shutdown: control.shutdownEntry, trim: control.trimEntry },
  ...{ remove: control.removeEntry, cursor: control.cursorEntry, lost: control.lostEntry },
  ...{ transaction: control.transactionEntry, identity: control.identityEntry },
  ...{ sealed: control.sealedEntry, place: control.placeEntry, position: positionEntry },
  ...{ retention: retentionEntry, spill: spillEntry, spilled: spilledEntry },
  reached: { decode: decodeReached },
} satisfies Record<string, { decode: (payload: Uint8Array) => unknown }>;

const JSON_TEXT = {
  extension: 'json',
  words: ['null', '{', '[', '"', '-', '0', '9007199254740993', '1e999', '"__proto__":'],
} as const;

function entryDecoders(): Decoder[] {
  const decoders = Object.entries(ENTRIES).map(([kind, entry]): Decoder => {
    const decoder = plain(entryDecoder(kind), (input) => entry.decode(input));
    return kind === 'reached' ? decoder : { ...decoder, ...JSON_TEXT };
  });
  const head = plain('entry-chunk-head', (input) => control.chunkHeadEntry.decode(input));
  return [...decoders, { ...head, ...JSON_TEXT }];
}

const SEGMENT = { segment: 1, size: MIB };
const HEADER_CRC_AT = 156;

function logDecoders(): Decoder[] {
  return [
    {
      ...plain('segment-header', (input) => whole(decodeSegmentHeader(block(input)))),
      reseal: (input) => putCrc(input, HEADER_CRC_AT),
    },
    { ...plain('group', (input) => groupEntries(input)), reseal: resealGroup },
  ];
}

/** As much as a file would have: the rest of a block is zeros. */
function block(input: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BLOCK_BYTES);
  bytes.set(input.subarray(0, BLOCK_BYTES));
  return bytes;
}

/** As the scan does it: nothing is believed of a group that ends before its length. */
function groupEntries(input: Uint8Array): unknown {
  const header = whole(groupHeader(input));
  if (input.length < header.length) throw damaged('it is cut');
  const bytes = input.subarray(0, header.length);
  const end = header.length - GROUP_CRC_BYTES;
  const isWhole = crc32c(bytes.subarray(0, end)) === viewOf(bytes).getUint32(end, true);
  const entries = joinFragments(EntryTable.ofGroup(bytes, header.entries, false).all());
  if (isWhole && entries.some(({ intact }) => !intact)) throw damaged('an entry that is not whole');
  return entries;
}

/** The golden group tells its own salt and place: a reader knows both before. */
function groupHeader(input: Uint8Array): GroupHeader | string {
  if (input.length < 28) return 'short';
  const view = viewOf(input);
  const segment = { ...SEGMENT, salt: view.getBigUint64(16, true) };
  return decodeGroupHeader(input, segment, view.getUint32(24, true));
}

function resealGroup(input: Uint8Array): void {
  const header = groupHeader(sealedHeader(input));
  if (typeof header === 'string' || header.length !== input.length) return;
  sealGroup(input, { ...SEGMENT, salt: viewOf(input).getBigUint64(16, true) }, header);
}

/** A copy whose header has the CRC that it should have. */
function sealedHeader(input: Uint8Array): Uint8Array {
  const copy = input.slice();
  if (copy.length < 64) return copy;
  const view = viewOf(copy);
  const tableEnd = Math.min(copy.length, 64 + 16 * view.getUint32(56, true));
  const crc = crc32c(copy.subarray(64, tableEnd), crc32c(copy.subarray(0, 60)));
  view.setUint32(60, crc, true);
  return copy;
}

function putCrc(input: Uint8Array, at: number): void {
  if (input.length < at + 4) return;
  viewOf(input).setUint32(at, crc32c(input.subarray(0, at)), true);
}

const CHUNK_CRC_AT = 60;

function chunkDecoders(): Decoder[] {
  const reseal = (input: Uint8Array): void => putCrc(input, CHUNK_CRC_AT);
  const codes = ['DAMAGED', 'FORMAT_VERSION'] as const;
  return [
    { name: 'chunk-header', decode: chunk.decodeHeader, codes, reseal },
    { name: 'chunk-trailer', decode: chunk.decodeTrailer, codes, reseal },
    plain('chunk-table', chunk.decodeTable),
    plain('chunk-directory', chunk.decodeDirectory),
    plain('chunk-pack', decodePack),
  ];
}

export const DISK_DECODERS: readonly Decoder[] = [
  ...batchDecoders(),
  ...columnDecoders(),
  ...entryDecoders(),
  ...logDecoders(),
  ...chunkDecoders(),
];
