/**
 * Control entries of the log: JSON whose 64-bit numbers are quoted strings. Each entry's shape is
 * one table of fields, which encodes, checks and decodes it; `docs/format-log.md` lists them.
 */
import type { RunFacts } from '../../batch/run-facts.ts';
import type { HeldPosition } from '../../txn/position.ts';
import type { Lsn } from './format.ts';
import {
  control,
  count,
  flag,
  lastTick,
  list,
  nanos,
  nullable,
  object,
  optional,
  pair,
  text,
  word,
  type Fields,
} from './control-fields.ts';

export interface StreamEntry {
  /** stream number, from 1 */
  id: number;
  /** scope/name */
  name: string;
  /** random hex: a stream removed and made again is another one */
  incarnation: string;
  createdNanos: bigint;
  schemaId: string;
  /** samples that consumers get as one event; 1 for opaque streams */
  samplesPerEvent: number;
}

export interface SchemaEntry {
  id: string;
  /** the canonical schema, see `batch/schema.ts` */
  schema: string;
}

/** A run begun. It issues the epoch of its writer. */
export interface RunEntry extends RunFacts {
  id: number;
  stream: number;
  schemaId: string;
  /**
   * A run of another store, copied here: its number there, and the first of its seqs that this
   * stream holds. All else is what its first recorder wrote. undefined: it was begun here.
   */
  copied: { run: number; from: number } | undefined;
}

/** The number a run has in the store of its first recorder. */
export function originRun({ id, copied }: RunEntry): number {
  return copied?.run ?? id;
}

export interface RunEndEntry {
  run: number;
  lastTick: number | null;
  reason: string;
}

export interface StartEntry {
  bootId: string;
  machineId: string;
  generation: number;
  utcNanos: bigint;
  version: string;
}

export interface ShutdownEntry {
  utcNanos: bigint;
}

/** What a stream has held so far; `bytes` and `paddingBytes` as `stream info` reports them. */
export interface Totals {
  records: number;
  samples: number;
  bytes: number;
  paddingBytes: number;
  firstNanos: bigint | null;
  /** the greatest there was, whatever a step of the wall clock has done since */
  lastNanos: bigint | null;
  /**
   * The end of the last records that lie, by the wall clock, before ones that stand before them;
   * undefined: there are none. Behind it times only grow.
   */
  unorderedEnd: number | undefined;
}

export interface StreamSnapshot extends StreamEntry {
  nextOffset: number;
  totals: Totals;
}

/** The latest run of a writer, which is also the writer's state. */
export interface RunSnapshot extends RunEntry {
  nextSeq: number;
  /** samples so far: the ordinal of the next one */
  ordinal: number;
  /** the last tick accounted for, by this run or, within a boot, by those before it */
  lastTick: number | null;
  /** UTC of the last sample or event of this writer */
  lastNanos: bigint | null;
  endReason: string | null;
}

/** What a writer had in the part of a stream that is gone. */
export interface RetiredWriter {
  writer: string;
  /** the run of its last record there */
  run: number;
  records: number;
  samples: number;
  /** ticks scheduled there, as far as they are known */
  ticks: number;
  /** the last of them; null where it had none */
  lastTick: number | null;
}

/** Everything of a stream before `lowWater` is gone: read as gaps of reason retired. */
export interface TrimEntry {
  stream: number;
  lowWater: number;
  /** all that is gone, since the stream's beginning; the records add up to `lowWater` */
  writers: RetiredWriter[];
}

/** The stream is gone with all it held; its number is not used again. */
export interface RemoveEntry {
  stream: number;
}

/** How far a named consumer has come: the first offset it has not had. */
export interface CursorEntry {
  name: string;
  stream: number;
  /** null: the cursor is removed */
  offset: number | null;
  updatedNanos: bigint;
  /** what its owner keeps with it */
  detail: string | null;
}

/** A copy's writer: its epoch and last transaction, what `engine/txn/position.ts` judges by. */
export interface TransactionEntry extends HeldPosition {
  stream: number;
  /** `source store/incarnation/base` */
  writer: string;
}

/** The store has another id from now on: it was copied to another machine. */
export interface IdentityEntry {
  storeId: string;
  machineId: string;
  /** the id it had until then */
  was: string;
  /** how far it was sealed by then; undefined: an older version did not say */
  sealedEnd: Lsn | undefined;
}

/**
 * Records that damage has taken from the middle of a stream: they read as gap(corrupt) for good.
 */
export interface LostEntry {
  stream: number;
  /** the run of the first record behind them */
  run: number;
  firstSeq: number;
  firstOffset: number;
  records: number;
}

/** Everything before this LSN lies in chunks; its segments may be gone. */
export interface SealedEntry {
  end: number;
}

/** A directory where chunks are kept from now on, besides those named before. */
export interface PlaceEntry {
  dir: string;
}

export interface SnapshotEntry {
  generation: number;
  nextStream: number;
  nextRun: number;
  clean: boolean;
  streams: StreamSnapshot[];
  schemas: SchemaEntry[];
  runs: RunSnapshot[];
}

/** What one segment holds of one stream. Gaps: reason, number of gaps, ticks. */
export interface FooterStream {
  stream: number;
  firstOffset: number;
  nextOffset: number;
  samples: number;
  firstNanos: bigint | null;
  lastNanos: bigint | null;
  /** byte in the segment of the first and the last group that hold it */
  firstGroup: number;
  lastGroup: number;
  gaps: { reason: string; gaps: number; ticks: number }[];
}

export interface FooterEntry {
  streams: FooterStream[];
}

const streamFields: Fields<StreamEntry> = {
  id: count,
  name: text,
  incarnation: text,
  createdNanos: nanos,
  schemaId: text,
  samplesPerEvent: count,
};

const runFields: Fields<RunEntry> = {
  id: count,
  stream: count,
  writer: text,
  epoch: count,
  firstSeq: count,
  schemaId: text,
  bootId: text,
  t0Nanos: nanos,
  periodNanos: nanos,
  resolutionNanos: nanos,
  clock: object({ monotonicNanos: nanos, boottimeNanos: nanos, utcNanos: nanos }),
  kernelClock: object({ synchronized: flag, maxErrorMicros: count }),
  attributes: list(pair(text, text)),
  copied: optional(object({ run: count, from: count })),
};

const totals = object<Totals>({
  records: count,
  samples: count,
  bytes: count,
  paddingBytes: count,
  firstNanos: nullable(nanos),
  lastNanos: nullable(nanos),
  unorderedEnd: optional(count),
});

const schema = object<SchemaEntry>({ id: text, schema: text });

const footerStream = object<FooterStream>({
  stream: count,
  firstOffset: count,
  nextOffset: count,
  samples: count,
  firstNanos: nullable(nanos),
  lastNanos: nullable(nanos),
  firstGroup: count,
  lastGroup: count,
  gaps: list(object({ reason: text, gaps: count, ticks: count })),
});

export const streamEntry = control<StreamEntry>('stream', streamFields);
export const schemaEntry = control<SchemaEntry>('schema', { id: text, schema: text });
export const runEntry = control<RunEntry>('run', runFields);
export const runEndEntry = control<RunEndEntry>('run-end', {
  run: count,
  lastTick,
  reason: text,
});
export const startEntry = control<StartEntry>('start', {
  bootId: text,
  machineId: text,
  generation: count,
  utcNanos: nanos,
  version: text,
});
export const shutdownEntry = control<ShutdownEntry>('shutdown', { utcNanos: nanos });
export const footerEntry = control<FooterEntry>('footer', { streams: list(footerStream) });
const streamSnapshotFields: Fields<StreamSnapshot> = {
  ...streamFields,
  nextOffset: count,
  totals,
};

const runSnapshotFields: Fields<RunSnapshot> = {
  ...runFields,
  nextSeq: count,
  ordinal: count,
  lastTick,
  lastNanos: nullable(nanos),
  endReason: nullable(text),
};

export const snapshotEntry = control<SnapshotEntry>('snapshot', {
  generation: count,
  nextStream: count,
  nextRun: count,
  clean: flag,
  streams: list(object(streamSnapshotFields)),
  schemas: list(schema),
  runs: list(object(runSnapshotFields)),
});
/** One of a snapshot's streams, or runs, by itself. */
export const streamSnapshot = control<StreamSnapshot>('snapshot', streamSnapshotFields);
export const runSnapshot = control<RunSnapshot>('snapshot', runSnapshotFields);
export const trimEntry = control<TrimEntry>('trim', {
  stream: count,
  lowWater: count,
  writers: list(
    object<RetiredWriter>({
      writer: text,
      run: count,
      records: count,
      samples: count,
      ticks: count,
      lastTick,
    }),
  ),
});
export const removeEntry = control<RemoveEntry>('remove', { stream: count });
export const cursorEntry = control<CursorEntry>('cursor', {
  name: text,
  stream: count,
  offset: nullable(count),
  updatedNanos: nanos,
  detail: nullable(text),
});
export const transactionEntry = control<TransactionEntry>('transaction', {
  stream: count,
  writer: text,
  epoch: count,
  lo: count,
  hi: count,
  chain: word,
  firstOffset: count,
  endOffset: count,
});
export const identityEntry = control<IdentityEntry>('identity', {
  storeId: text,
  machineId: text,
  was: text,
  sealedEnd: optional(count),
});
export const lostEntry = control<LostEntry>('lost', {
  stream: count,
  run: count,
  firstSeq: count,
  firstOffset: count,
  records: count,
});
export const sealedEntry = control<SealedEntry>('sealed', { end: count });

/** What the blocks of a stream in a chunk need to be understood. */
export interface ChunkHead {
  stream: StreamEntry;
  schemas: SchemaEntry[];
  runs: RunEntry[];
}

export const chunkHeadEntry = control<ChunkHead>('directory', {
  stream: object<StreamEntry>(streamFields),
  schemas: list(schema),
  runs: list(object<RunEntry>(runFields)),
});
export const placeEntry = control<PlaceEntry>('place', { dir: text });
