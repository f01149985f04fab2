/** What the beginning of a segment says of one stream is what the whole of it says, for less. */
import { describe, expect, it, vi } from 'vitest';
import { BLOCK_BYTES, KIB, MIB } from '../../../engine/base/constants.ts';
import { OPAQUE_SCHEMA, canonicalSchema, schemaId } from '../../../engine/batch/schema.ts';
import type { FileSystem } from '../../../engine/files/file-system.ts';
import {
  snapshotEntry,
  type RunSnapshot,
  type StreamSnapshot,
} from '../../../engine/store/entries/control-entries.ts';
import { KnownRuns } from '../../../engine/store/state/known-runs.ts';
import { emptyStream } from '../../../engine/store/state/live.ts';
import { GROUP_FLAG, KIND, makeLsn } from '../../../engine/store/entries/format.ts';
import { placedRun } from '../../../engine/store/log/placed-run.ts';
import { openSegment, segmentPath } from '../../../engine/store/log/segment.ts';
import { readSnapshot, streamAtBeginning } from '../../../engine/store/state/segment-snapshot.ts';
import { part, type SnapshotPart } from '../../../engine/store/entries/snapshot-part.ts';
import {
  headOf,
  runsPiece,
  streamIn,
  streamsPiece,
} from '../../../engine/store/entries/snapshot-text.ts';
import { ControlState } from '../../../engine/store/state/state.ts';
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
  const schema = { id: SCHEMA, schema: canonicalSchema(OPAQUE_SCHEMA) };
  const head = { generation: 1, nextStream: STREAMS + 1, nextRun: 2 * STREAMS + 1, clean: false };
  const streams: StreamSnapshot[] = [];
  const runs: RunSnapshot[] = [];
  for (let id = 1; id <= STREAMS; id++) {
    if (id === REMOVED) continue;
    const entry = { id, name: `a/${id}${TRICKY}ü`, incarnation: 'ab', createdNanos: 5n };
    const stream = emptyStream({ ...entry, schemaId: SCHEMA, samplesPerEvent: 1 });
    streams.push({ ...stream, nextOffset: id * 1000 });
    runs.push(runOf(id, id, TRICKY));
    if (id % 10 === 0) runs.push(runOf(STREAMS + id, id, 'w'));
  }
  runs.sort((a, b) => a.id - b.id);
  const entry = { ...head, streams, schemas: [schema], runs };
  return ControlState.fromSnapshot([part(KIND.snapshot, snapshotEntry.encode(entry))]);
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

/** Counts what is read from now on. */
function counting(fs: FileSystem): { bytes: number } {
  const read = { bytes: 0 };
  const open = fs.open.bind(fs);
  fs.open = (path, mode) => {
    const file = open(path, mode);
    const whole = file.read.bind(file);
    file.read = (into, position) => {
      read.bytes += into.length;
      return whole(into, position);
    };
    return file;
  };
  return read;
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
      expect(at(fs, id), String(id)).toEqual({ value: STATE.streams.get(id) });
    }
  });

  it('costs the piece that names it, and one that is made later costs no more', () => {
    const parts = STATE.snapshot();
    const largest = Math.max(...parts.map(({ payload }) => payload.length));
    const { fs, end } = segmentOf(parts, MIB);
    const read = counting(fs);
    for (const id of [1, 256, 257, STREAMS, STREAMS + 1]) {
      read.bytes = 0;
      at(fs, id);
      expect(read.bytes, String(id)).toBeLessThan(largest + 3 * BLOCK_BYTES);
    }
    expect(2 * largest, 'there is more to read').toBeLessThan(end);
  });

  it('is unknown where its own piece is damaged, and where others are is not', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    damage(fs, pieceAt(fs, end, 2) + 1000);
    expect(at(fs, 1)).toEqual({ value: STATE.streams.get(1) });
    expect(at(fs, STREAMS)).toEqual({ value: STATE.streams.get(STREAMS) });
    expect(at(fs, 400)).toBeUndefined();
  });

  it('is found, or not, by pieces whose heads are damaged, but never believed of them', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    damage(fs, pieceAt(fs, end, 2) + 3);
    for (let id = 1; id <= STREAMS; id += 45) {
      const found = at(fs, id);
      if (found) expect(found, String(id)).toEqual({ value: STATE.streams.get(id) });
      else expect(id).toBeGreaterThan(256);
    }
  });

  it('is unknown where the segment is empty, or its snapshot is not all durable', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    expect(at(fs, 1, makeLsn(SEGMENT, end))).toEqual({ value: STATE.streams.get(1) });
    expect(at(fs, 1, makeLsn(SEGMENT, end - BLOCK_BYTES))).toBeUndefined();
    fs.writeFileDurably(segmentPath(LOG, SEGMENT), new Uint8Array(MIB));
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
      expect(at(fs, id), String(id)).toEqual({ value: STATE.streams.get(id) });
    }
  });
});

describe('a run that goes on from before a segment', () => {
  const SCHEMAS = [{ id: SCHEMA, schema: canonicalSchema(OPAQUE_SCHEMA) }];
  const RUNS = [...STATE.runs.keys()];

  it.each([
    ['by the piece that names it', (one: SnapshotPart) => one, SCHEMAS, 0],
    ['with its schema by the whole, if that is not known', (one: SnapshotPart) => one, [], 1],
    ['by the whole, if it is written in another way', rewritten, SCHEMAS, 1],
  ])('is known %s', (_, form, schemas, decoded) => {
    const { fs } = segmentOf(STATE.snapshot().map(form));
    const whole = vi.spyOn(ControlState, 'fromSnapshot');
    for (const id of [1, 5, 256, 257, STREAMS, 2 * STREAMS, RUNS[600]!]) {
      whole.mockClear();
      const { stream } = STATE.runs.get(id)!;
      const known = new KnownRuns(stream);
      known.learn([], schemas);
      for (let again = 0; again < 2; again++) known.learnIn(id, fs, LOG, SEGMENT);
      expect(known.of(id), String(id)).toEqual({ run: STATE.runs.get(id), schema: OPAQUE_SCHEMA });
      expect(whole, String(id)).toHaveBeenCalledTimes(decoded);
    }
    whole.mockRestore();
  });

  it('is asked for once, where it is not named', () => {
    const { fs } = segmentOf(STATE.snapshot());
    const read = counting(fs);
    for (const id of [REMOVED, 2 * STREAMS + 1]) {
      const known = new KnownRuns(1);
      known.learnIn(id, fs, LOG, SEGMENT);
      expect(known.of(id)).toBeUndefined();
      expect(read.bytes).toBeGreaterThan(0);
      read.bytes = 0;
      known.learnIn(id, fs, LOG, SEGMENT);
      expect(read.bytes).toBe(0);
    }
  });

  it('is not taken from a piece that is damaged', () => {
    const { fs, end } = segmentOf(STATE.snapshot());
    const last = STATE.snapshot().filter(({ kind }) => kind === KIND.snapshot).length - 1;
    damage(fs, pieceAt(fs, end, last) + 1000);
    const known = new KnownRuns(STREAMS);
    known.learnIn(2 * STREAMS, fs, LOG, SEGMENT);
    expect(known.of(2 * STREAMS)).toBeUndefined();
  });

  it('cannot be asked for in a segment that has gone, and that is told', () => {
    const { fs } = segmentOf(STATE.snapshot());
    fs.remove(segmentPath(LOG, SEGMENT));
    const known = new KnownRuns(1);
    const gone = expect.objectContaining({ code: 'ENOENT' });
    expect(() => known.learnIn(1, fs, LOG, SEGMENT)).toThrow(gone);
  });
});

describe('the text of a piece', () => {
  const frame = { generation: 3, nextStream: 9, nextRun: 2 ** 53 - 1, clean: true };
  const nothing = { ...frame, streams: [], schemas: [], runs: [] };

  it('is what its table encodes, the first time and when everything has moved since', () => {
    const streams = [...STATE.streams.values()].slice(0, 3).map((stream) => ({ ...stream }));
    const runs = [runOf(1, 1, TRICKY), { ...runOf(2, 2, 'ü'), copied: { run: 7, from: 8 } }];
    const check = (): void => {
      const expected = [{ streams }, { runs }].map((part) =>
        snapshotEntry.encode({ ...nothing, ...part }),
      );
      const pieces = [streamsPiece(frame, streams), runsPiece(frame, runs)];
      expect(pieces.map(String)).toEqual(expected.map((bytes) => Buffer.from(bytes).toString()));
    };
    check();
    for (const stream of streams) {
      const sums = { records: 1, samples: 2, bytes: 3, paddingBytes: 4, unorderedEnd: 5 };
      const totals = { ...sums, firstNanos: -6n, lastNanos: 2n ** 63n - 1n };
      Object.assign(stream, { nextOffset: 2 ** 53 - 1, totals, schemaId: TRICKY });
    }
    for (const run of runs) {
      const ended = { endReason: `${TRICKY}ü\u2028\n`, lastTick: 0, lastNanos: 7n };
      Object.assign(run, { nextSeq: 10, ordinal: 11, ...ended });
    }
    check();
  });

  it('may hold nothing', () => {
    const expected = Buffer.from(snapshotEntry.encode(nothing)).toString();
    expect(String(streamsPiece(frame, []))).toBe(expected);
    expect(String(runsPiece(frame, []))).toBe(expected);
  });

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
function rewritten(one: SnapshotPart): SnapshotPart {
  const turned = (_: string, value: unknown): unknown => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toReversed());
  };
  const json: unknown = JSON.parse(new TextDecoder().decode(one.payload), turned);
  return { ...one, payload: new TextEncoder().encode(JSON.stringify(json, null, 1)) };
}
