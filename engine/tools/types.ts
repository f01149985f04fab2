/**
 * What the engine reports and what its tools take: plain objects, printed as they are by `--json`.
 * 64-bit numbers are decimal strings, so that no reader rounds them through a double.
 */
import type { Channel, ChannelType } from '../batch/schema.ts';

export type { BufferSizes, RateGroupBuffers } from './buffer-types.ts';

export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

export interface RecorderStatus {
  /** `stopped`: the totals are final; `failed`: `finished` has said what ended it */
  state: 'recording' | 'waiting-for-space' | 'draining' | 'stopped' | 'failed';
  uptimeSeconds: number;
  sources: number;
  samples: string;
  samplesPerSecond: number;
  ticksScheduled: string;
  /** ticks without a sample: with `samples` all that are scheduled; time the machine slept, ns */
  missed: Record<'late' | 'overflow' | 'full' | 'device' | 'stopped' | 'crash', string> & {
    suspendedNanos: string;
  };
  latenessMicros: Percentiles;
  /** `grant`: the command for a better rung; the last: what is held of it, null: nothing */
  scheduling: {
    rung: string;
    cpu: number;
    memoryLocked: boolean;
    refused: string[];
    grant: string | undefined;
    spinMicros: number;
    cpuDmaLatencyMicros: number | null;
  };
  /** `offsets`: of the first 8 streams */
  durable: { lsn: string; offsets: { stream: string; nextOffset: string }[] };
  bytesPerSample: number;
  paddingBytes: string;
  diskBytes: string;
  /** what it may come to: the budget, or what the disk has left */
  limitBytes: string;
  /** at the rate of the last hour; null: never, or too early to say */
  fullInSeconds: number | null;
  freeBytes: string;
  /**
   * `durableMicros`: from the moment a sample was taken until it was durable, since the start;
   * `recentDurableMicros`: the same, of the last 10 to 20 s
   */
  writes: {
    rung: 'direct' | 'buffered';
    commitMicros: Percentiles;
    durableMicros: Percentiles;
    recentDurableMicros: Percentiles;
  };
  warnings: string[];
}

export interface GapSum {
  reason: string;
  ticks: string;
}

export interface RecorderSummary {
  samples: string;
  ticksScheduled: string;
  gaps: GapSum[];
  seconds: number;
  clean: boolean;
}

/**
 * One line of `stream ls`, and `stream info --json`. Records, samples, offsets and times are of
 * what is still there: lastOffset − firstOffset + 1 = records. Times are UTC ns; null: none.
 */
export interface StreamInfo {
  scope: string;
  name: string;
  id: string;
  kind: 'samples' | 'opaque';
  schema: { channels: Channel[] };
  samplesPerEvent: number;
  /** gaps are records, too */
  records: string;
  samples: string;
  /** the low-water mark, so one behind `lastOffset` where all is retired; null: none was written */
  firstOffset: string | null;
  lastOffset: string | null;
  /** what a trim or retention has let go of, since the stream's beginning */
  retired: { records: string; samples: string };
  /**
   * written since the stream's beginning, what is retired included: entries with batch header and
   * ledger, and their share of group headers; `paddingBytes` are theirs beside it. What is left of
   * them on disk is less, since it is sealed: `store info` has the sizes
   */
  bytes: string;
  paddingBytes: string;
  /** bytes / all records that were written: `records` + `retired.records` */
  bytesPerRecord: number | null;
  writers: { id: string; epoch: string; lastSeq: string }[];
  /** null, too, where the place of the chunk that holds it is away */
  firstTimestampNanos: string | null;
  lastTimestampNanos: string | null;
}

/** `store info --json`. Sizes are bytes of disk. */
export interface StoreInfo {
  dir: string;
  storeId: string;
  /** the id it had before it was copied to this machine */
  origin: string | null;
  /** zeros: made on a machine without one */
  machineId: string;
  format: number;
  /** UTC ns */
  created: string;
  segmentBytes: string;
  sizes: Record<
    'all' | 'log' | 'spares' | 'chunks' | 'catalog' | 'ballast' | 'quarantine' | 'other',
    string
  >;
  segments: { count: number; first: string | null; last: string | null };
  streams: number;
  owned: boolean;
  /** owners so far */
  generation: string;
  /** of the machine, now */
  bootId: string;
  /** its last owner closed it */
  clean: boolean;
}

/** One thing that `doctor` has to say. */
export interface Finding {
  kind: string;
  severity: 'note' | 'damage';
  file: string | null;
  /** bytes; length 0: the whole file */
  offset: string;
  length: string;
  what: string;
  advice: string;
  /** what --repair has done about it */
  repaired: string | null;
}

export interface DoctorReport {
  dir: string;
  /** nothing is damaged that is not written down as such */
  ok: boolean;
  findings: Finding[];
}

/** One of `cursor ls --json`. */
export interface CursorInfo {
  name: string;
  stream: string;
  /** the first offset its consumer has not had */
  offset: string;
  /** records from there to the end of the stream */
  lagRecords: string;
  /** how many of these are gone: read as gaps of reason retired */
  retired: string;
  /** UTC ns */
  updatedNanos: string;
  ageSeconds: number;
}

/** What a recorder that read its configuration again has changed: sources, keys; what stays. */
export interface ReloadReport {
  started: string[];
  ended: string[];
  restarted: string[];
  settings: string[];
  warnings: string[];
}

export interface Damage {
  file: string;
  offset: string;
  length: string;
  what: string;
  /** it may be sound, and of a format that this version does not know */
  code?: 'FORMAT_VERSION';
}

export interface CatOptions {
  stream: string;
  from: 'start' | 'tail' | number;
  /** the first offset not wanted */
  to?: number;
  /** UTC ns: records before it, and from `toTime` on, are not wanted */
  fromTime?: bigint;
  toTime?: bigint;
  /** the channels wanted, by name, in this order */
  columns?: readonly string[];
  maxEvents?: number;
  follow: boolean;
  /** undefined: json, for opaque streams raw */
  format?: 'json' | 'ndjson-records' | 'csv' | 'raw';
  /** in format json: writer, epoch, seq, offset and gaps of each event */
  withLedger: boolean;
  /** behind each event of format raw; default: a line feed */
  delimiter?: string;
  onDamage: (damage: Damage) => void;
  signal?: AbortSignal;
}

/** Per bucket of time that holds a sample, in typed arrays of one length: what is drawn. */
export interface BucketsReport {
  stream: string;
  bucketNanos: bigint;
  /** UTC ns of each bucket's beginning, ascending */
  startNanos: BigInt64Array;
  /** physical values; NaN in a bucket where the channel has none */
  channels: (Record<'count' | 'min' | 'mean' | 'max', Float64Array> & {
    name: string;
    unit: string;
    /** of 64-bit integers without scale and offset, to the last digit; 0 where there are none */
    exact?: Record<'min' | 'max', BigInt64Array | BigUint64Array>;
  })[];
}

export interface GapReport {
  reason: string;
  firstOffset: string;
  /** null: not known in ticks (another boot, another rate, lost records) */
  firstTick: string | null;
  ticks: string | null;
  seconds: number | null;
  minSeconds: number | null;
  maxSeconds: number | null;
}

export interface GapsReport {
  stream: string;
  /**
   * UTC ns of the earliest and the latest sample counted: of a range of time that was asked for,
   * what is stored together with one of its samples counts, too. null: there is none
   */
  firstTimestampNanos: string | null;
  lastTimestampNanos: string | null;
  ticksScheduled: string;
  samples: string;
  gapTicks: string;
  /** ticks scheduled = samples + gap ticks, and every batch begins where the one before ended */
  balanced: boolean;
  /** sentences, if not balanced */
  imbalances: string[];
  /** all but those of reason `filtered`, of which there may be one for every sample */
  gaps: GapReport[];
  gapsByReason: { reason: string; gaps: number; ticks: string }[];
  nominalHz: number | null;
  measuredHz: number | null;
  deltaMicros: Quantiles | null;
  latenessMicros: Quantiles | null;
}

/** Each at most 0.8 % above the truth; min and max are exact. */
export interface Quantiles {
  min: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

export interface VerifiedStream {
  name: string;
  /** those that have been read; the offsets are of the first and the last of them */
  records: string;
  firstOffset: string | null;
  lastOffset: string | null;
  /** records that could not be read, since their place is away */
  awayRecords: string;
  /** places where a copy was begun anew: its records do not go on where those before them ended */
  seams: string;
  writers: { id: string; epoch: string; firstSeq: string; lastSeq: string }[];
  ticksScheduled: string;
  samples: string;
  /** by reason; `ticks` is null where a gap has none, `knownTicks` are those of the rest */
  gaps: { reason: string; ticks: string | null; knownTicks: string }[];
}

export interface VerifyReport {
  /** everything has been read, and nothing is damaged */
  ok: boolean;
  streams: VerifiedStream[];
  damage: Damage[];
  tornTails: { file: string; offset: string; length: string }[];
  /** places for chunks that cannot be reached, if records lie there */
  away: { place: string; what: string }[];
}

/** What `top` shows: one look at a store. 64-bit values are quoted strings. */
export interface TopReport {
  /** somebody records into it */
  owned: boolean;
  /** the busiest first, as far as they are still there; rates are null at the first look */
  streams: {
    name: string;
    records: string;
    firstOffset: string;
    recordsPerSecond: number | null;
    bytesPerSecond: number | null;
    lastTimestampNanos: string | null;
  }[];
  cursors: { name: string; stream: string; offset: string; lag: string; retired: string }[];
  disk: {
    usedBytes: string;
    chunkBytes: string;
    freeBytes: string;
    /** the budget, or what the disk has left for the store */
    limitBytes: string;
    /** at the present rate; null: never, or too early to say */
    fullInSeconds: number | null;
  };
}

/** What `tune` has measured of a machine. CPU is that of the whole process. */
export interface BoxFacts {
  fileSystem: string;
  /** O_DIRECT|O_DSYNC; else buffered and fdatasync */
  direct: boolean;
  /** one durable block of 4 KiB */
  syncMicros: Percentiles;
  syncCpuMicros: number;
  /** durable writes of 1 MiB */
  writeBytesPerSecond: number;
  /** how late a thread is woken by a timer */
  wakeMicros: Percentiles;
  wakeCpuMicros: number;
}

/** Sources that are read at the same ticks. */
export interface TuneLoad {
  rateHz: number;
  sources: number;
  /** of all its sources */
  channels: Partial<Record<ChannelType, number>>;
}

/** One choice of flush-ms and samples-per-event, and what is to be expected of it. */
export interface TuneCell {
  flushMs: number;
  samplesPerEvent: number;
  /** from the moment a sample is taken until it is durable */
  durableMs: { p50: number; p99: number };
  /** from the first sample of an event of the fastest source to its last */
  eventFillMs: number;
  /** the same until all of it is durable, p99 */
  eventMs: number;
  /** of one processor */
  cpuPercent: number;
  /** groups of the log, padded to whole blocks */
  logBytesPerDay: number;
  /** what the device has to write: log, the zeros before it, chunks */
  deviceBytesPerDay: number;
  /** what is left once it is sealed */
  keptBytesPerDay: number;
}

export interface TuneReport {
  box: BoxFacts;
  loads: TuneLoad[];
  maxLatencyMs: number;
  configured: { flushMs: number; samplesPerEvent: number };
  table: TuneCell[];
  recommended: TuneCell;
}
