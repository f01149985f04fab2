/**
 * The golden files cut into inputs for their decoders: what `test/corpus` has of each of them, so
 * that also the addon's decoders can be held to it.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeBatch, type BatchEntry } from '../../engine/batch/format.ts';
import { parseSchema, type Channel, type Schema } from '../../engine/batch/schema.ts';
import { CODEC, type EncodedColumn } from '../../engine/codecs/codec.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import {
  BLOCK_KIND,
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  decodeDirectory,
  decodeTable,
  decodeTrailer,
  type BlockRow,
} from '../../engine/store/chunks/format.ts';
import { chunkHeadEntry, schemaEntry } from '../../engine/store/entries/control-entries.ts';
import { KIND } from '../../engine/store/entries/format.ts';
import type { Entry } from '../../engine/store/entries/entries.ts';
import { readLog, segmentStart } from '../../engine/store/log/log.ts';
import { FLOATS, columnInput } from './column-input.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));
const SEGMENT = `${FIXTURES}/log-v1/log/${'1'.padStart(20, '0')}.seg`;
const SEGMENT_HEADER_BYTES = 160;
/** Of one decoder; and where every byte still says something. */
const INPUTS_MAX = 6;
const INPUT_MAX_BYTES = 1300;

export interface GoldenInput {
  decoder: string;
  name: string;
  bytes: Uint8Array;
  extension?: string;
}

/** @returns of each decoder the shortest ones of different lengths */
export function goldenInputs(): GoldenInput[] {
  const all = [
    ...[...segmentInputs(), ...entryInputs(), ...chunkInputs(), ...denseInputs()],
    { decoder: 'samples-batch', name: 'batch', bytes: goldenEntries(KIND.batch)[0]! },
    { decoder: 'samples-times', name: 'times', bytes: goldenEntries(KIND.times)[0]! },
  ];
  const short = all.filter(({ bytes }) => bytes.length <= INPUT_MAX_BYTES);
  const decoders = new Set(short.map(({ decoder }) => decoder));
  return [...decoders].flatMap((decoder) => chosen(short.filter((one) => one.decoder === decoder)));
}

function chosen(inputs: readonly GoldenInput[]): GoldenInput[] {
  const different = [...new Map(inputs.map((input) => [keyOf(input), input])).values()];
  const shortest = different.sort((a, b) => a.bytes.length - b.bytes.length);
  const kept = isColumn(inputs[0]!) ? shortest : shortest.slice(0, INPUTS_MAX);
  return kept.map((input) => ({
    ...input,
    name: `golden-${input.name}`,
    ...(isText(input) && { extension: 'json' }),
  }));
}

const isColumn = ({ decoder }: GoldenInput): boolean => /^(integers|floats)$/.test(decoder);

const isText = ({ decoder }: GoldenInput): boolean =>
  decoder === 'schema' || (decoder.startsWith('entry-') && decoder !== 'entry-reached');

/** Of columns one for each codec, of everything else one for each length. */
function keyOf(input: GoldenInput): string {
  return isColumn(input) ? input.name : String(input.bytes.length);
}

/** Payloads of the golden log, in order. */
export function goldenEntries(kind: number): Uint8Array[] {
  return entries.filter((entry) => entry.kind === kind).map(({ payload }) => payload);
}

export function goldenSchema(): Schema & { channels: Channel[] } {
  const all = goldenEntries(KIND.schema).map((payload) => schemaEntry.decode(payload).schema);
  const schema = all.map(parseSchema).find(({ kind }) => kind === 'samples');
  if (schema?.kind !== 'samples') throw new Error('the golden log has samples');
  return schema;
}

function readEntries(): Entry[] {
  const from = { lsn: segmentStart(1), last: undefined };
  const found: Entry[] = [];
  for (const item of readLog(nodeFileSystem, `${FIXTURES}/log-v1/log`, from, undefined)) {
    if (item.kind !== 'group') continue;
    for (const entry of item.entries.all())
      found.push({ ...entry, payload: entry.payload.slice() });
  }
  return found;
}

const entries = readEntries();

function entryInputs(): GoldenInput[] {
  return Object.entries(KIND).flatMap(([kind, id]) =>
    goldenEntries(id).flatMap((bytes) => {
      const input = { decoder: entryDecoder(kind), name: `${bytes.length}-bytes`, bytes };
      if (id === KIND.batch) return [input, ...columnInputs(decodeBatch(bytes), goldenSchema())];
      if (id !== KIND.schema) return [input];
      const text = new TextEncoder().encode(schemaEntry.decode(bytes).schema);
      return [input, { decoder: 'schema', name: `${text.length}-bytes`, bytes: text }];
    }),
  );
}

/** Folder of the corpus for an entry of the log: those of data have names of their own. */
export function entryDecoder(kind: string): string {
  const isData = ['times', 'batch', 'events', 'gap'].includes(kind);
  return isData ? kind : `entry-${kind.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

function columnInputs({ samples, columns }: BatchEntry, schema: Schema): GoldenInput[] {
  if (schema.kind !== 'samples') return [];
  return columns.map((column, i) => columnOf(column, schema.channels[i]!.type, samples));
}

function columnOf(column: EncodedColumn, type: Channel['type'], count: number): GoldenInput {
  const [name] = Object.entries(CODEC).find(([, id]) => id === column.codec)!;
  const isFloat = FLOATS.includes(type as (typeof FLOATS)[number]);
  const kind = FLOATS.indexOf(type as (typeof FLOATS)[number]);
  const bytes = columnInput({ ...column, kind: Math.max(0, kind), count });
  return {
    decoder: isFloat ? 'floats' : 'integers',
    name: isFloat ? `${name}-${type}` : name,
    bytes,
  };
}

function segmentInputs(): GoldenInput[] {
  const file = new Uint8Array(readFileSync(SEGMENT));
  const header = file.slice(0, SEGMENT_HEADER_BYTES);
  const groups: GoldenInput[] = [];
  const from = { lsn: segmentStart(1), last: undefined };
  for (const item of readLog(nodeFileSystem, `${FIXTURES}/log-v1/log`, from, undefined)) {
    if (item.kind !== 'group' || item.segment !== 1) continue;
    const bytes = file.slice(item.offset, item.offset + item.size.length);
    groups.push({ decoder: 'group', name: `at-${item.offset}`, bytes });
  }
  return [{ decoder: 'segment-header', name: 'first-segment', bytes: header }, ...groups];
}

function chunkInputs(): GoldenInput[] {
  const dir = `${FIXTURES}/chunk-v1`;
  const name = readdirSync(dir).find((file) => file.endsWith('.chunk'))!;
  const file = new Uint8Array(readFileSync(`${dir}/${name}`));
  const at = (place: { at: number; length: number }): Uint8Array =>
    file.slice(place.at, place.at + place.length);
  const trailer = file.slice(-CHUNK_TRAILER_BYTES);
  const table = at(decodeTrailer(trailer).table);
  const directories = [...decodeTable(table)].map(({ directory }) => at(directory));
  return [
    { decoder: 'chunk-header', name: 'header', bytes: file.slice(0, CHUNK_HEADER_BYTES) },
    { decoder: 'chunk-trailer', name: 'trailer', bytes: trailer },
    { decoder: 'chunk-table', name: `${table.length}-bytes`, bytes: table },
    ...directories.filter(({ length }) => length > 0).flatMap((one) => directoryInputs(one, at)),
  ];
}

function directoryInputs(
  bytes: Uint8Array,
  at: (place: { at: number; length: number }) => Uint8Array,
): GoldenInput[] {
  const { head, rows } = decodeDirectory(bytes);
  const schemas = chunkHeadEntry.decode(head).schemas.map(({ schema }) => parseSchema(schema));
  const blockInputs = ({ kind, place, times }: BlockRow): GoldenInput[] => {
    const block = at(place);
    const isPack = kind === BLOCK_KIND.pack;
    const named = { name: `sealed-${block.length}-bytes`, bytes: block };
    if (isPack) return [{ decoder: 'chunk-pack', ...named }];
    const shared = { decoder: 'times', name: `sealed-${times.length}-bytes`, bytes: at(times) };
    const columns = columnInputs(decodeBatch(block), schemas[0]!);
    return [shared, { decoder: 'batch', ...named }, ...columns];
  };
  return [
    { decoder: 'chunk-directory', name: `${bytes.length}-bytes`, bytes },
    { decoder: 'entry-chunk-head', name: `${head.length}-bytes`, bytes: head },
    ...rows.flatMap(blockInputs),
  ];
}

function denseInputs(): GoldenInput[] {
  const golden = JSON.parse(readFileSync(`${FIXTURES}/dense-v1.json`, 'utf8')) as Record<
    string,
    { codec: number; hex: string; values: string }
  >;
  return Object.entries(golden).map(([what, { codec, hex, values }]) => {
    const column = { codec, bytes: Uint8Array.from(Buffer.from(hex, 'hex')) };
    const { bytes } = columnOf(column, 'i64', values.split(' ').length);
    return { decoder: 'integers', name: `dense-${what.replaceAll(' ', '-')}`, bytes };
  });
}
