/**
 * What the engine reports and what its tools take: plain objects, printed as they are by `--json`.
 * 64-bit numbers are decimal strings, so that no reader rounds them through a double.
 */
export interface Percentiles {
  p50: number;
  p99: number;
  max: number;
}

export interface RecorderStatus {
  state: 'recording' | 'waiting-for-space' | 'draining';
  uptimeSeconds: number;
  sources: number;
  samples: string;
  samplesPerSecond: number;
  ticksScheduled: string;
  /** ticks without a sample, by reason; `suspendedNanos`: time the machine slept, ns */
  missed: { late: string; overflow: string; full: string; device: string; suspendedNanos: string };
  latenessMicros: Percentiles;
  /** `grant`: the one command that would grant a better rung */
  scheduling: {
    rung: string;
    cpu: number;
    memoryLocked: boolean;
    refused: string[];
    grant: string | undefined;
  };
  /** `offsets`: of the first 8 streams */
  durable: { lsn: string; offsets: { stream: string; nextOffset: string }[] };
  bytesPerSample: number;
  paddingBytes: string;
  diskBytes: string;
  freeBytes: string;
  writes: { rung: 'direct' | 'buffered'; commitMicros: Percentiles };
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

export interface StreamInfo {
  scope: string;
  name: string;
  id: string;
  schema: {
    channels: { name: string; type: string; unit: string; scale: number; offset: number }[];
  };
  records: string;
  samples: string;
  firstOffset: string;
  lastOffset: string;
  bytes: string;
  paddingBytes: string;
  bytesPerRecord: number;
  writers: { id: string; epoch: string; lastSeq: string }[];
  firstTimestampNanos: string | null;
  lastTimestampNanos: string | null;
}

export interface Damage {
  file: string;
  offset: string;
  length: string;
  what: string;
}

export interface CatOptions {
  stream: string;
  /** an offset, the first record, or the next one to come */
  from: 'start' | 'tail' | number;
  /** offset of the first record that is not wanted */
  to?: number | undefined;
  maxEvents?: number | undefined;
  follow: boolean;
  format: 'json' | 'ndjson-records' | 'csv' | 'raw';
  withLedger: boolean;
  /** follows each opaque event in format raw */
  delimiter: string;
  onDamage: (damage: Damage) => void;
  signal: AbortSignal;
}

export interface GapsReport {
  stream: string;
  ticksScheduled: string;
  samples: string;
  gaps: {
    reason: string;
    ticks: string | null;
    firstTick: string | null;
    timestampNanos: string | null;
  }[];
  nominalRateHz: number;
  measuredRateHz: number | null;
  deltaNanos: { min: string; p50: string; p99: string; p999: string; max: string } | null;
  latenessMicros: Percentiles | null;
  /** samples + gaps = ticks scheduled */
  balanced: boolean;
}

export interface VerifyReport {
  ok: boolean;
  streams: {
    name: string;
    records: string;
    firstOffset: string;
    lastOffset: string;
    writers: { id: string; epoch: string; firstSeq: string; lastSeq: string }[];
    ticksScheduled: string;
    samples: string;
    gaps: GapSum[];
  }[];
  damage: Damage[];
  tornTails: { file: string; offset: string; length: string }[];
}

export interface WriteOptions {
  dataDir: string;
  stream: string;
  writer: string;
  /** `lines`: up to a line feed; `length32`: u32 little-endian length, then the bytes */
  framing: 'lines' | 'length32';
  input: AsyncIterable<Uint8Array>;
  onOpen: (opened: { writer: string; epoch: string; lastSeq: string }) => void;
  /** called in order, once an event is durable */
  onDurable: (seq: string, offset: string) => void;
}
