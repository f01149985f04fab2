/** What the beginning of a segment says of one stream is what the whole of it says, for less. */
import { describe, expect, it, vi } from 'vitest';
import { BLOCK_BYTES, KIB, MIB } from '../../../engine/base/constants.ts';
import { OPAQUE_SCHEMA, canonicalSchema, schemaId } from '../../../engine/batch/schema.ts';
import type { FileSystem } from '../../../engine/files/file-system.ts';
import { emptyStream, type RunSnapshot } from '../../../engine/store/control.ts';
import { KnownRuns } from '../../../engine/store/known-runs.ts';
import { GROUP_FLAG, KIND, makeLsn } from '../../../engine/store/log/format.ts';
import { placedRun } from '../../../engine/store/log/placed-run.ts';
import { openSegment, segmentPath } from '../../../engine/store/log/segment.ts';
import { readSnapshot, streamAtBeginning } from '../../../engine/store/segment-snapshot.ts';
import type { SnapshotPart } from '../../../engine/store/snapshot-part.ts';
import { headOf, streamIn } from '../../../engine/store/snapshot-text.ts';
import { ControlState } from '../../../engine/store/state.ts';
import { segmentHeader, segmentImage } from '../../support/segment-image.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';

const LOG = '/log';
const SEGMENT = 7;
const STREAMS = 700;
const REMOVED = 300;
const HEADER = segmentHeader(SEGMENT, 4 * MIB);
const SCHEMA = schemaId(OPAQUE_SCHEMA);
/** What would end a search that did not know where strings end. */
const TRICKY = '{"id":"5","name":"x"}}","stream":"5","writer":"w"\\';

function runOf(id: number, stream: number, writer: string): RunSnapshot {
  return {
    ...{ id, stream, writer, epoch: id * 2 ** 20, firstSeq: 1, schemaId: SCHEMA, bootId: 'boot' },
    ...{ t0Nanos: 0n, periodNanos: 0n, resolutionNanos: 1n, copied: undefined },
    clock: { monotonicNanos: 1n, boottimeNanos: 1n, utcNanos: 1n },
    kernelClock: { synchronized: false, maxErrorMicros: 0 },
    attributes: [['Note', TRICKY]],
    ...{ nextSeq: 1, ordinal: 0, lastTick: null, lastNanos: null, endReason: TRICKY },
  };
}

/** Many streams, one of them removed, with a writer each, and two every tenth. */
function manyStreams(): ControlState {
  const state = new ControlState();
  state.schemas.set(SCHEMA, canonicalSchema(OPAQUE_SCHEMA));
  for (let id = 1; id <= STREAMS; id++) {
    if (id === REMOVED) continue;
    const entry = { id, name: `a/${id}${TRICKY}ü`, incarnation: 'ab', createdNanos: 5n };
    const stream = emptyStream({ ...entry, schemaId: SCHEMA, samplesPerEvent: 1 });
    state.streams.set(id, { ...stream, nextOffset: id * 1000 });
    state.runs.set(id, runOf(id, id, TRICKY));
    if (id % 10 === 0) state.runs.set(STREAMS + id, runOf(STREAMS + id, id, 'w'));
  }
  Object.assign(state, { nextStream: STREAMS + 1, nextRun: 2 * STREAMS + 1 });
  return state;
}

const STATE = manyStreams();

interface Made {
  fs: SimulatedFileSystem;
  end: number;
  groups: number;
}

function segmentOf(parts: readonly SnapshotPart[], limit = 16 * KIB): Made {
  const fs = new SimulatedFileSystem();
  fs.makeDirectory(LOG);
  const made = segmentImage(HEADER, parts, GROUP_FLAG.snapshot, limit);
  fs.writeFileDurably(segmentPath(LOG, SEGMENT), made.image);
  return { fs, ...made };
}

const at = (fs: FileSystem, stream: number, end = makeLsn(SEGMENT + 1, 0)) =>
  streamAtBeginning(fs, LOG, SEGMENT, stream, end);

/** A file system that counts what is read. */
function counting(fs: FileSystem): { fs: FileSystem; read: { bytes: number } } {
  const read = { bytes: 0 };
  const counted = Object.create(fs) as FileSystem;
  counted.open = (path, mode) => {
    const file = fs.open(path, mode);
    const whole = file.read.bind(file);
    file.read = (into, position) => {
      read.bytes += into.length;
      return whole(into, position);
    };
    return file;
  };
  return { fs: counted, read };
}

/** The byte in the segment where the bytes of a snapshot's piece begin. */
function pieceAt(fs: FileSystem, end: number, index: number): number {
  const open = openSegment(fs, LOG, SEGMENT)!;
  const { entries } = placedRun(open, BLOCK_BYTES, end)!;
  open.close();
  return entries.filter(({ kind }) => kind === KIND.snapshot)[index]!.parts[0]!.at;
}

function damage(fs: FileSystem, position: number): void {
  const file = fs.open(segmentPath(LOG, SEGMENT), 'write');
  file.write(new Uint8Array([0]), position);
  file.close();
}

describe('a stream, at the beginning of a segment', () => {
  it.each([1 * MIB, 64 * KIB, 16 * KIB])('is what the snapshot says, in groups of %i', (limit) => {
    const { fs, groups } = segmentOf(STATE.snapshot(), limit);
    expect(groups > 1).toBe(limit < MIB);
    const whole = readSnapshot(fs, LOG, SEGMENT, makeLsn(SEGMENT + 1, 0))!;
    expect(whole.streams).toEqual(STATE.streams);
    for (let id = 0; id <= STREAMS + 1; id++) {
      expect(at(fs, id), String(id)).toEqual({ stream: STATE.streams.get(id) });
    }
  });

  it('costs the piece that names it, and one that is made later costs no more', () => {
    const parts = STATE.snapshot();
    const largest = Math.max(...parts.map(({ payload }) => payload.length));
    const made = segmentOf(parts, MIB);
    const { fs, read } = counting(made.fs);
    for (const id of [1, 256, 257, STREAMS, STREAMS + 1]) {
      read.bytes = 0;
      at(fs, id);
      expect(read.bytes, String(id)).toBeLessThan(largest + 3 * BLOCK_BYTES);
    }
    expect(2 * largest, 'there is more to read').toBeLessThan(made.end);
  });

  it('is unknown where its own piece is damaged, and where others are is not', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    damage(fs, pieceAt(fs, end, 2) + 1000);
    expect(at(fs, 1)).toEqual({ stream: STATE.streams.get(1) });
    expect(at(fs, STREAMS)).toEqual({ stream: STATE.streams.get(STREAMS) });
    expect(at(fs, 400)).toBeUndefined();
  });

  it('is found, or not, by pieces whose heads are damaged, but never believed of them', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    damage(fs, pieceAt(fs, end, 2) + 3);
    for (let id = 1; id <= STREAMS; id += 45) {
      const found = at(fs, id);
      if (found) expect(found, String(id)).toEqual({ stream: STATE.streams.get(id) });
      else expect(id).toBeGreaterThan(256);
    }
  });

  it('is unknown where the segment has gone, is empty, or its snapshot is not all durable', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    expect(at(fs, 1, makeLsn(SEGMENT, end))).toEqual({ stream: STATE.streams.get(1) });
    expect(at(fs, 1, makeLsn(SEGMENT, end - BLOCK_BYTES))).toBeUndefined();
    fs.writeFileDurably(segmentPath(LOG, SEGMENT), new Uint8Array(MIB));
    expect(at(fs, 1)).toBeUndefined();
    fs.remove(segmentPath(LOG, SEGMENT));
    expect(at(fs, 1)).toBeUndefined();
  });

  it('is unknown where a segment begins with something else', () => {
    const { fs } = segmentOf(STATE.snapshot());
    const { image } = segmentImage(HEADER, STATE.snapshot(), 0, MIB);
    fs.writeFileDurably(segmentPath(LOG, SEGMENT), image);
    expect(at(fs, 1)).toBeUndefined();
  });

  it('is found in pieces that are written in another way', () => {
    const { fs } = segmentOf(STATE.snapshot().map(rewritten));
    for (const id of [1, 257, REMOVED, STREAMS, STREAMS + 1]) {
      expect(at(fs, id), String(id)).toEqual({ stream: STATE.streams.get(id) });
    }
  });
});

describe('the runs that the beginning of a segment names', () => {
  const SCHEMAS = [{ id: SCHEMA, schema: canonicalSchema(OPAQUE_SCHEMA) }];

  it.each([
    ['in their pieces alone', (part: SnapshotPart) => part, SCHEMAS, 0],
    ['in all of it, for a schema that is not known', (part: SnapshotPart) => part, [], 1],
    ['in all of it, if it is written in another way', rewritten, SCHEMAS, 1],
  ])('are found %s', (_, form, schemas, decoded) => {
    const entries = STATE.snapshot().map((part, index) => {
      return { ...form(part), index, stream: 0, intact: true };
    });
    const whole = vi.spyOn(ControlState, 'fromSnapshot');
    for (const stream of [1, 5, 250, 255, STREAMS]) {
      whole.mockClear();
      const known = new KnownRuns(stream);
      known.learn([], schemas);
      known.learnSnapshot(entries);
      const runs = STATE.writersOf(stream);
      expect([...known.runs]).toEqual(runs);
      expect(known.of(runs.at(-1)!.id)).toEqual({ run: runs.at(-1), schema: OPAQUE_SCHEMA });
      expect(whole).toHaveBeenCalledTimes(decoded);
    }
    whole.mockRestore();
  });

  it('are none of a stream that is not there, or was made later', () => {
    const entries = STATE.snapshot().map((part, index) => {
      return { ...part, index, stream: 0, intact: true };
    });
    for (const stream of [REMOVED, STREAMS + 1]) {
      const known = new KnownRuns(stream);
      known.learnSnapshot(entries);
      expect([...known.runs]).toEqual([]);
    }
  });

  it('are not learnt from a snapshot that is damaged', () => {
    const runs = new KnownRuns(5);
    const entries = STATE.snapshot().map((part, index) => {
      return { ...part, index, stream: 0, intact: index !== 1 };
    });
    runs.learnSnapshot(entries);
    expect([...runs.runs]).toEqual([]);
  });
});

describe('the text of a piece', () => {
  it('tells by its first bytes which streams it holds', () => {
    const heads = STATE.snapshot().map(({ payload }) => headOf(payload.subarray(0, 192)));
    const firsts = [undefined, 1, 257, 514].concat(Array<undefined>(4).fill(undefined));
    expect(heads.map((head) => head!.firstStream)).toEqual(firsts.slice(0, heads.length));
    expect(heads.every((head) => head!.nextStream === STREAMS + 1)).toBe(true);
  });

  it('that is cut within an object is malformed', () => {
    const { payload } = STATE.snapshot()[1]!;
    expect(streamIn(payload, 1)).toEqual(STATE.streams.get(1));
    expect(() => streamIn(payload.subarray(0, 250), 1)).toThrow(
      expect.objectContaining({ code: 'DAMAGED' }),
    );
  });
});

/** The same JSON, with spaces and the keys of each object in another order. */
function rewritten(part: SnapshotPart): SnapshotPart {
  const turned = (_: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toReversed());
  };
  const json: unknown = JSON.parse(new TextDecoder().decode(part.payload), turned);
  return { ...part, payload: new TextEncoder().encode(JSON.stringify(json, null, 1)) };
}
