/**
 * The typed face of the addon. Arguments are checked in C++ as well, but words for users are made
 * in TypeScript: what is thrown here is either a misuse (TypeError, RangeError) or a system call's
 * failure (Error with `code` such as `ENOSPC`, `errno` and `syscall`, like Node's own).
 *
 * Ownership: typed arrays that a native thread goes on using (a sampler's ring and status) are
 * referenced until its `stop()` has joined the thread; all others are used only during the call.
 * Threads: every function may be called from any JavaScript thread; an object belongs to the
 * thread that made it. State is per environment: terminating a worker stops and frees what it made.
 */
import { createRequire } from 'node:module';

/** Rungs of the scheduling ladder, best first. */
export type SchedulingRung = 'fifo+pinned' | 'fifo' | 'other';

export interface NativeChannel {
  /**
   * index into `CHANNEL_TYPES` of `engine/batch/schema.ts`: i8 u8 i16 u16 i32 u32 i64 u64 f32 f64
   */
  type: number;
  /** byte offset of the value in a ring row's payload (from the row's start, header included) */
  rowOffset: number;
}

export type NativeSource =
  | {
      kind: 'network';
      interfaceName: string;
      counters: number[];
      sysfsRoot: string;
      channels: NativeChannel[];
    }
  | { kind: 'synthetic'; seed: number; channels: NativeChannel[] };

export interface SamplerSpec {
  /** the ring's whole memory, control block included, over a SharedArrayBuffer */
  ring: Uint8Array;
  /**
   * SAMPLER_STATUS_WORDS 64-bit counters over a SharedArrayBuffer, see `engine/sampler/status.ts`
   */
  status: BigUint64Array;
  /** bytes of one row record, header included, a multiple of 8 */
  rowBytes: number;
  /** byte offset of the validity words in a row record */
  validityOffset: number;
  t0Nanos: bigint;
  periodNanos: bigint;
  sources: NativeSource[];
  realtime: 'auto' | 'off' | 'require';
  /** SCHED_FIFO priority, 1–99 */
  priority: number;
  /** processor to pin to, or −1 */
  cpu: number;
  /** polls the clock this long before a tick is due; less than half a period, default: 0 */
  spinNanos?: number;
  /** benchmarks only: no pacing; a full ring is waited for, ticks follow each other at once */
  saturate?: boolean;
}

export interface SamplerReport {
  rung: SchedulingRung;
  pinnedCpu: number;
  memoryLocked: boolean;
  timerSlackNanos: number;
  /** what was refused on the way down the ladder: `sched_setscheduler: EPERM` … */
  refused: string[];
}

/** One native thread that samples the sources of one rate group into one ring. */
export interface Sampler {
  /**
   * Starts the thread and returns once its scheduling is set. Throws if `realtime` is `require` and
   * refused.
   */
  start(): void;
  /**
   * Ends the thread after its current tick, marks the ring closed, joins (bounded by one period +
   * one read).
   */
  stop(): void;
  report(): SamplerReport;
}

export interface RowEncoderSpec {
  ring: Uint8Array;
  rowBytes: number;
  validityOffset: number;
  t0Nanos: bigint;
  periodNanos: bigint;
  resolutionNanos: bigint;
  /** integer channels only */
  sources: { channels: NativeChannel[] }[];
}

/** Consumer side of a ring, fused with the encoding of what it drains. Writer thread only. */
export interface RowEncoder {
  /** Tick of the next row or gap in the ring, or −1 if the ring is empty. */
  peekTick(): number;
  /** Bytes that `maxRows` rows may need at worst. */
  bound(maxRows: number): number;
  /**
   * Drains up to `maxRows` rows (and the gaps before them) and writes their times entry and one
   * batch entry per source to `out`, payload after payload, from `at` on.
   * @param cursors per source 4 numbers: run, next seq, next offset, ordinal; the last three are
   *   advanced
   * @param entries per entry 2 numbers are written: length, CRC32C; entry 0 is the times entry
   * @param result RESULT_* numbers are written, see below
   * @returns number of entries written: 0 if the ring was empty, else 1 + sources
   */
  encode(
    out: Uint8Array,
    at: number,
    maxRows: number,
    utcOffsetNanos: bigint,
    cursors: Float64Array,
    entries: Uint32Array,
    result: Float64Array,
  ): number;
}

/** Indexes into `result` of `RowEncoder.encode`; times are ns on the monotonic clock. */
export const RESULT = {
  bytes: 0,
  rows: 1,
  firstTick: 2,
  ticks: 3,
  firstTimeNanos: 4,
  lastTimeNanos: 5,
  /** first and last value of the time column; not exact beyond 2^53 */
  firstColumnValue: 6,
  lastColumnValue: 7,
  /** 1: the ring held more than one call takes, rows or gaps; else 0 */
  more: 8,
  length: 9,
} as const;

/** Indexes into `stretch` of `chainSamples`. */
export const CHAIN_STRETCH = {
  head: 0,
  seq: 1,
  ordinal: 2,
  tick: 3,
  /** UTC ns at which the first sample was due */
  dueUtcNanos: 4,
  periodNanos: 5,
  resolutionNanos: 6,
  length: 7,
} as const;

/** How a column's values become words: they are, the integer a double holds, a double's bits. */
export const CHAIN_WORDS = { is64Bit: 0, integers: 1, doubles: 2 } as const;

/** A file whose writes are durable when they return. Closed with the environment at the latest. */
export interface DurableFile {
  /**
   * Writes all of `bytes` at `position`: one O_DSYNC write, or write + fdatasync.
   * @param meanwhile called once, in this thread, while another one writes: it leaves `bytes` and
   *   the file alone. What it throws is thrown when the write has ended. Not called where there is
   *   no other thread to be had.
   */
  write(bytes: Uint8Array, position: number, meanwhile?: () => void): void;
  /** Within `meanwhile`: does the other thread still write? */
  isWriting(): boolean;
  close(): void;
}

/** A range of a file that is read in order, ahead of who asks for it and past the page cache. */
export interface ReadAhead {
  /**
   * Copies bytes from `position` on: where the last call ended, or there are none any more.
   * @returns how many; fewer than asked for at the end of the range, behind an error, and where the
   *   file system or the kernel cannot do it: the rest is to be read as usual
   */
  read(into: Uint8Array, position: number): number;
  /** Waits for what the device has been asked for. */
  close(): void;
}

/** The memory-mapped mark. The map is private to this object and goes with `close()`. */
export interface Mark {
  /**
   * Stores durable LSN, then its check, raises the futex word and wakes all waiters. Owner only.
   */
  publish(durable: bigint, check: bigint): void;
  setState(state: number): void;
  /** Writes [durable, check, futex word, state] to `out` (4 words), each loaded with acquire. */
  read(out: BigUint64Array): void;
  /** Resolves once the futex word is no longer `seen`, or after `timeoutMs` (at most 1000). */
  wait(seen: number, timeoutMs: number): Promise<void>;
  close(): void;
}

export interface NativeAddon {
  /** CRC32C (Castagnoli) of `bytes`, continuing from `seed`. "123456789" → 0xe3069283. */
  crc32c(bytes: Uint8Array, seed?: number): number;
  /** Writes [monotonic, boottime, UTC, uncertainty], all ns, to `out`: one consistent reading. */
  readClocks(out: BigInt64Array): void;
  /** /proc/sys/kernel/random/boot_id: one life of the kernel. */
  bootId(): string;
  /** The kernel's own view of UTC, from adjtimex. */
  kernelClock(): { synchronized: boolean; maxErrorMicros: number };

  /**
   * Zeroed memory for direct files: its address is a multiple of 4096. From a MiB on it lies in
   * huge pages where the kernel has some, which makes direct writes faster.
   */
  alignedMemory(bytes: number): ArrayBuffer;
  /** Opens for durable writes, making the file if needed; with O_DIRECT|O_DSYNC if `direct`. */
  DurableFile: new (path: string, direct: boolean) => DurableFile;
  /**
   * Begins to read [position, end) of the file open for reading as `fd`; `position` is a multiple
   * of 4096. Of what is written there meanwhile any part may be seen or not.
   */
  ReadAhead: new (fd: number, position: number, end: number) => ReadAhead;
  /** Takes an OFD lock on the whole file without waiting; false if somebody else holds it. */
  lockFile(fd: number, exclusive: boolean): boolean;
  unlockFile(fd: number): void;
  /** posix_fadvise: pages of the cache that are not waiting to be written are read again. */
  dropCache(fd: number): void;
  /** statfs: file system magic and the bytes an unprivileged user may still write. */
  fileSystemInfo(path: string): { type: number; freeBytes: number };
  Mark: new (fd: number, writable: boolean) => Mark;

  /**
   * Encodes integers with the codec that is shortest; writes to `out` at `at`, returns codec × 2^32
   * + length. Doubles are whole numbers below 2^53. @throws RangeError if one is not
   */
  encodeIntegers(values: BigInt64Array | Float64Array, out: Uint8Array, at: number): number;
  /**
   * For chunks: as `encodeDense` or `encodeIntegers`, whichever is shorter; about six times the
   * work. `out` has room for `denseBoundBytes` (`engine/codecs/column.ts`).
   */
  encodeShorter(values: BigInt64Array | Float64Array, out: Uint8Array, at: number): number;
  /** The same with the one of codecs 8–10 that needs least, also where they need more. */
  encodeDense(values: BigInt64Array | Float64Array, out: Uint8Array, at: number): number;
  /**
   * Fills `values` from a column of codec 1–4 or 8–10. Throws if the column is malformed or not
   * exactly consumed.
   */
  decodeIntegers(codec: number, column: Uint8Array, values: BigInt64Array): void;
  /** The same into doubles, for integers that a double holds. */
  decodeNumbers(codec: number, column: Uint8Array, values: Float64Array): void;
  /**
   * Several columns of codec 8–10, each as above: two take little longer than the longer of them.
   * @param codecs one per column, like `columns` and `values`
   */
  decodeDense(
    codecs: readonly number[],
    columns: readonly Uint8Array[],
    values: readonly (BigInt64Array | Float64Array)[],
  ): void;
  /**
   * Columns of codec 1–4 or 8–10 as one: as `encodeShorter` gives it. Throws unless they are
   * exactly `count` values
   * @param rows a table of columns (`engine/codecs/column-table.ts`)
   * @param first the first row, and from there each row that is `stride` numbers behind the last
   * @param channel whose columns; those of the channels before it lie before each of them
   * @param memory what rows say the first byte of
   * @param out `denseBoundBytes` of them
   * @returns codec × 2^32 + length
   */
  joinColumns(
    rows: Uint32Array,
    first: number,
    stride: number,
    channel: number,
    memory: Uint8Array,
    count: number,
    out: Uint8Array,
  ): number;
  /**
   * Times of decoded samples, from the values of their time column: UTC ns, floored to the
   * resolution. `origin`, UTC ns of tick 0, and `period` are taken modulo 2^64; `resolution` ≥ 1.
   * @param stretches of consecutive ticks, from sample 0 on: for each its first sample and the tick
   *   of that one
   */
  sampleTimes(
    stretches: Float64Array,
    residuals: BigInt64Array,
    origin: bigint,
    period: bigint,
    resolution: bigint,
    timeNanos: BigInt64Array,
  ): void;

  /**
   * Carries `state[0]`, a chain (`docs/format-chain.md`), over `count` samples from number `from`
   * on: a stretch with consecutive ticks, seqs and ordinals.
   * @param stretch numbers as CHAIN_STRETCH names them, of sample `from`; two's complement
   * @param residuals values of the time column, one per sample
   * @param columns 64-bit or double arrays, one value per sample
   * @param words one CHAIN_WORDS per column
   */
  chainSamples(
    state: BigUint64Array,
    stretch: BigInt64Array,
    residuals: BigInt64Array,
    columns: readonly (BigInt64Array | BigUint64Array | Float64Array)[],
    words: Uint8Array,
    from: number,
    count: number,
  ): void;
  /** Digest of a string of bytes, as the chain takes it. */
  chainDigest(bytes: Uint8Array): bigint;

  Sampler: new (spec: SamplerSpec) => Sampler;
  /** _exit: without waiting for threads, one of which may be within a read that never ends. */
  endProcess(code: number): never;
  RowEncoder: new (spec: RowEncoderSpec) => RowEncoder;
}

export const native = createRequire(import.meta.url)('#native') as NativeAddon;
