/**
 * Stores with a history, for what must not depend on it: rate groups of sources that are driven by
 * hand, a flush at a time, without a clock to wait for.
 */
import { join } from 'node:path';
import { SAMPLES_PER_EVENT_DEFAULT } from '../engine/base/constants.ts';
import type { Channel } from '../engine/batch/schema.ts';
import { nodeFileSystem } from '../engine/files/node-file-system.ts';
import { Collector } from '../engine/collector/collector.ts';
import type { GroupSpec } from '../engine/collector/group-spec.ts';
import { createRing, rowLayout } from '../engine/ring/layout.ts';
import { RingProducer } from '../engine/ring/ring.ts';
import { storePaths } from '../engine/store/log/files.ts';
import { offsetOf, segmentOf, type Lsn } from '../engine/store/entries/format.ts';
import { listSegments, segmentPath } from '../engine/store/log/segment.ts';
import { systemEnvironment, type StoreEnvironment } from '../engine/store/store.ts';

const RING_BYTES = 2 ** 22;
/** Short beside a flush: ticks of a store that is opened again are later than those it has. */
const PERIOD_NANOS = 100_000n;

export interface HandDrivenOptions {
  dataDir: string;
  sources: number;
  channels: readonly Channel[];
  segmentBytes: number;
  periodNanos?: bigint;
  environment?: StoreEnvironment;
}

/** A recorder without samplers: rows come from whoever calls `row`. */
export class HandDriven {
  readonly collector: Collector;
  readonly #producer: RingProducer;
  readonly #rowBytes: number;
  readonly #validityOffset: number;
  readonly #valid: Uint8Array;
  readonly #offsets: readonly (readonly number[])[];
  readonly #periodNanos: bigint;
  #tick: number;

  constructor(options: HandDrivenOptions) {
    const { dataDir, sources, channels, segmentBytes, periodNanos = PERIOD_NANOS } = options;
    const environment = options.environment ?? systemEnvironment;
    this.#periodNanos = periodNanos;
    this.#tick = Number(environment.clock.read().monotonicNanos / periodNanos);
    const layout = rowLayout(Array.from({ length: sources }, () => ({ channels: [...channels] })));
    const ring = createRing(RING_BYTES);
    const { rowBytes, validityOffset } = layout;
    const schedule = { t0Nanos: 0n, periodNanos, resolutionNanos: 1n };
    const group: GroupSpec = {
      ...{ ring, rowBytes, validityOffset, ...schedule },
      sources: layout.sources.map((source, i) => ({
        name: `source-${i}`,
        stream: streamOf(i),
        schema: { kind: 'samples', channels: [...channels] },
        samplesPerEvent: SAMPLES_PER_EVENT_DEFAULT,
        writer: `source-${i}`,
        attributes: [],
        channels: source.channels,
      })),
    };
    this.collector = new Collector({ dataDir, segmentBytes, groups: [group] }, environment);
    this.#producer = new RingProducer(ring);
    this.#rowBytes = rowBytes;
    this.#validityOffset = validityOffset;
    this.#valid = new Uint8Array(Math.ceil(sources / 8)).fill(0xff);
    if (sources % 8 !== 0) this.#valid[this.#valid.length - 1] = (1 << (sources % 8)) - 1;
    this.#offsets = layout.sources.map((source) =>
      source.channels.map(({ rowOffset }) => rowOffset),
    );
  }

  /**
   * One row of all sources; `fill` writes the values.
   * @param latenessNanos how late it was taken
   */
  row(
    latenessNanos: number,
    fill: (view: DataView, at: number, offsets: readonly (readonly number[])[]) => void,
  ): void {
    const tick = this.#tick++;
    const timeNanos = BigInt(tick) * this.#periodNanos + BigInt(latenessNanos);
    const at = this.#producer.claimRow(tick, timeNanos, this.#rowBytes);
    const { view } = this.#producer;
    this.#valid.forEach((byte, i) => view.setUint8(at + this.#validityOffset + i, byte));
    fill(view, at, this.#offsets);
    this.#producer.commit();
  }
}

export function streamOf(source: number): string {
  return `bench/source-${source}`;
}

export function segmentFiles(dataDir: string): string[] {
  const { log } = storePaths(dataDir);
  return listSegments(nodeFileSystem, log).map((segment) => segmentPath(log, segment));
}

/** Bytes of the log up to its end: the zeros of the newest segment are not read. */
export function logBytes(dataDir: string, end: Lsn): number {
  const { log } = storePaths(dataDir);
  const before = listSegments(nodeFileSystem, log).filter((segment) => segment < segmentOf(end));
  return before.reduce(
    (sum, segment) => sum + (nodeFileSystem.fileSize(segmentPath(log, segment)) ?? 0),
    offsetOf(end),
  );
}

/** Values that move a little, so that their columns are not constant. */
export function fillSmall(
  view: DataView,
  at: number,
  offsets: readonly (readonly number[])[],
): void {
  for (const [i, channels] of offsets.entries()) {
    for (const offset of channels) view.setInt16(at + offset, (at + i * 31) & 0xff, true);
  }
}

export const INT16_CHANNEL: Channel = {
  ...{ name: 'X', type: 'i16', unit: '1', scale: 1, offset: 0 },
};

/** Where the store of a given name lies in an experiment's shared directory. */
export function sharedStore(shared: string, name: string): string {
  return join(shared, name);
}
