/**
 * What a driver is: the code for one kind of device. `docs/adding-a-driver.md` is the guide,
 * `registry.ts` the list, the driver contract in `test/contract` what every one of them passes.
 *
 *   options (zod) ─▶ open() ─▶ channels, attributes ─▶ schema of the stream
 *                        └──▶ native: the addon reads the device on the sampler thread
 *                             read:   called at every tick in the sampler worker
 *
 * A driver knows its device and nothing else: not the schedule, not the ring, not the store. It
 * does not wait, retry or count; pacing, re-opening, gaps and their reasons live once, in the
 * sampler. It opens its files through the context, so that tests give it others. `open` may be
 * called twice for one source (main reads the channels, the worker samples), so it must not claim
 * its device for itself alone.
 */
import type { z } from 'zod';
import type { Channel, ChannelType } from '../batch/schema.ts';

/** The little a driver may ask of the file system, so that tests can give it another one. */
export interface DriverFiles {
  /** names in a directory; throws if there is none */
  list(dir: string): string[];
  /** the whole text of a small file; throws if there is none */
  readText(path: string): string;
  /** opens a regular file that is read again and again from its beginning; throws for any other */
  openText(path: string): OpenText;
}

export interface OpenText {
  /** the whole words in the first 4 KiB of the file as it is now; undefined if it cannot be read */
  read(): string | undefined;
  close(): void;
}

export interface DriverContext {
  files: DriverFiles;
  /** the source's name, for messages */
  sourceName: string;
}

/** Takes raw values for the claimed ring row; index = the channel's place in `channels`. */
export interface RowWriter {
  setNumber(channel: number, value: number): void;
  /** for i64 and u64 channels whose values exceed 2^53 */
  setBigInt(channel: number, value: bigint): void;
}

export type NativeDevice =
  | { kind: 'network'; interfaceName: string; counters: number[]; sysfsRoot: string }
  | { kind: 'synthetic'; seed: number };

export interface OpenDriver {
  channels: Channel[];
  /** constant facts for the reference JSON, in order: `['Interface', 'lo']` */
  attributes: [name: string, value: string][];
  /** what the addon shall read; exactly one of `native` and `read` is there */
  native?: NativeDevice;
  /**
   * Fills all channels of one tick; false if the device gave nothing: gap(device). Called in the
   * sampler worker; must not wait, retry or allocate per call. It may throw only on a bug.
   */
  read?(row: RowWriter, tick: number): boolean;
  /** idempotent */
  close(): void;
}

/** What is known of a device that is away, from its options alone. */
export type KnownDevice = Pick<OpenDriver, 'channels' | 'attributes' | 'native'>;

export interface Driver<Options extends z.ZodObject = z.ZodObject> {
  readonly kind: string;
  /** one line for `helicorder driver ls` and the docs */
  readonly summary: string;
  /** where its devices are read: decides the thread that serves it */
  readonly bus: 'native' | 'typescript';
  /** every option has a `.describe()` */
  readonly options: Options;
  /** Throws HelicorderError DEVICE if the device is missing, naming the nearest that exists. */
  open(options: z.output<Options>, context: DriverContext): OpenDriver;
  /**
   * What `open` would give, so that one that is away can be waited for in gap(device); without it,
   * or if undefined, its device has to be there when recording begins.
   */
  known?(options: z.output<Options>): KnownDevice | undefined;
}

/** Ties a driver's options to its schema without naming the type twice. */
export function defineDriver<Options extends z.ZodObject>(
  driver: Driver<Options>,
): Driver<Options> {
  return driver;
}

/** A channel with raw = physical values. */
export function plainChannel(name: string, type: ChannelType, unit: string): Channel {
  return { name, type, unit, scale: 1, offset: 0 };
}
