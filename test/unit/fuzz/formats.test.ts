/**
 * Every decoder of what lies on a disk, over mutations of what is in the golden files. In a store a
 * checksum stands before each of them: here nothing does.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'vitest';
import { decodeBatch, decodeEvents, decodeGap, decodeTimes } from '../../../engine/batch/format.ts';
import { unpackEvents } from '../../../engine/batch/opaque.ts';
import { decodeSamples } from '../../../engine/batch/samples.ts';
import { parseSchema, type Schema } from '../../../engine/batch/schema.ts';
import { nodeFileSystem } from '../../../engine/files/node-file-system.ts';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  decodeDirectory,
  decodeHeader,
  decodeTable,
  decodeTrailer,
} from '../../../engine/store/chunks/format.ts';
import { decodePack } from '../../../engine/store/chunks/pack.ts';
import * as control from '../../../engine/store/control.ts';
import { KIND } from '../../../engine/store/log/format.ts';
import type { Entry } from '../../../engine/store/log/group.ts';
import { readLog, segmentStart } from '../../../engine/store/log/log.ts';
import { positionEntry } from '../../../engine/store/positions.ts';
import { decodeReached, encodeReached } from '../../../engine/store/reached.ts';
import { lawful } from '../../support/fuzz.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures', import.meta.url));

function goldenEntries(): Entry[] {
  const from = { lsn: segmentStart(1), last: undefined };
  const found: Entry[] = [];
  for (const item of readLog(nodeFileSystem, `${FIXTURES}/log-v1/log`, from, undefined)) {
    if (item.kind !== 'group') continue;
    for (const entry of item.entries.all())
      found.push({ ...entry, payload: entry.payload.slice() });
  }
  return found;
}

const entries = goldenEntries();
const payloads = (kind: number): Uint8Array[] =>
  entries.filter((entry) => entry.kind === kind).map(({ payload }) => payload);
/** Small ones: where every byte says something. */
const small = (all: Uint8Array[]): Uint8Array[] => all.filter(({ length }) => length < 4000);

describe('batches', () => {
  const times = payloads(KIND.times);
  const batches = payloads(KIND.batch);
  const schema = schemaOf('samples');

  it('times', () => lawful(decodeTimes, times, 'DAMAGED'));
  it('a batch', () => lawful(decodeBatch, batches, 'DAMAGED'));
  it('events', () =>
    lawful((input) => unpackEvents(decodeEvents(input)), smallEvents(), 'DAMAGED'));
  it('a gap', () => lawful(decodeGap, payloads(KIND.gap), 'DAMAGED'));
  it('samples, of times that are whole', () => {
    const whole = decodeTimes(times[0]!);
    lawful((input) => decodeSamples(whole, decodeBatch(input), schema), [batches[0]!], 'DAMAGED');
  });
  it('samples, of a batch that is whole', () => {
    const whole = decodeBatch(batches[0]!);
    lawful((input) => decodeSamples(decodeTimes(input), whole, schema), [times[0]!], 'DAMAGED');
  });
});

function smallEvents(): Uint8Array[] {
  return small(payloads(KIND.events));
}

function schemaOf(kind: Schema['kind']): Schema {
  const all = payloads(KIND.schema).map((payload) => control.schemaEntry.decode(payload).schema);
  return all.map(parseSchema).find((schema) => schema.kind === kind)!;
}

describe('control entries', () => {
  const decoders = {
    stream: control.streamEntry,
    schema: control.schemaEntry,
    run: control.runEntry,
    runEnd: control.runEndEntry,
    start: control.startEntry,
    snapshot: control.snapshotEntry,
    footer: control.footerEntry,
    shutdown: control.shutdownEntry,
  } as const;
  for (const [kind, entry] of Object.entries(decoders)) {
    const decode = (input: Uint8Array): unknown => entry.decode(input);
    it(kind, () => lawful(decode, payloads(KIND[kind as keyof typeof decoders]), 'DAMAGED'));
  }

  it('position', () => {
    const position = { stream: 1, writer: 'w', seq: 3, file: '8:1', offset: 99, hash: 'ab' };
    lawful((input) => positionEntry.decode(input), [positionEntry.encode(position)], 'DAMAGED');
  });
  it('reached', () => {
    const fact = { stream: 2, run: 300, nextOffset: 70_000, nextSeq: 70_001, lastTick: 4_000_000 };
    const all = [[fact], [fact, { ...fact, run: 301, lastTick: null }]].map(encodeReached);
    lawful(decodeReached, all, 'DAMAGED');
  });
});

describe('a chunk', () => {
  const dir = `${FIXTURES}/chunk-v1`;
  const name = readdirSync(dir).find((file) => file.endsWith('.chunk'))!;
  const bytes = new Uint8Array(readFileSync(`${dir}/${name}`));
  const trailerBytes = bytes.slice(-CHUNK_TRAILER_BYTES);
  const trailer = decodeTrailer(trailerBytes);
  const at = (place: { at: number; length: number }): Uint8Array =>
    bytes.slice(place.at, place.at + place.length);
  const table = at(trailer.table);
  const directories = decodeTable(table)
    .map(({ directory }) => at(directory))
    .filter(({ length }) => length > 0);
  const blocks = directories.flatMap((one) =>
    decodeDirectory(one).rows.map(({ place }) => at(place)),
  );

  it('its header', () => lawful(decodeHeader, [bytes.slice(0, CHUNK_HEADER_BYTES)], 'DAMAGED'));
  it('its trailer', () => lawful(decodeTrailer, [trailerBytes], 'DAMAGED'));
  it('its table', () => lawful(decodeTable, [table], 'DAMAGED'));
  it('a directory', () => lawful(decodeDirectory, directories, 'DAMAGED'));
  it('a block of entries', () => {
    const packs = blocks.filter((block) => isPack(block));
    lawful(decodePack, packs, 'DAMAGED');
  });
});

function isPack(block: Uint8Array): boolean {
  try {
    decodePack(block);
    return true;
  } catch {
    return false;
  }
}
