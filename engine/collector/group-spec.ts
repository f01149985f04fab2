/** What the main thread tells the writer thread of a rate group, and what a drain gives back. */
import type { Schema } from '../batch/schema.ts';
import type { RunRequest } from '../store/write/group-plan.ts';
import type { OpenedRun } from '../store/write/writer.ts';
import type { NativeChannel } from '../../native/index.ts';

/** One rate group as the writer thread gets it. */
export interface GroupSpec {
  /** the ring's memory, control block included */
  ring: SharedArrayBuffer;
  rowBytes: number;
  validityOffset: number;
  t0Nanos: bigint;
  periodNanos: bigint;
  resolutionNanos: bigint;
  sources: GroupSource[];
}

export interface GroupSource {
  name: string;
  stream: string;
  schema: Schema;
  samplesPerEvent: number;
  writer: string;
  attributes: [string, string][];
  channels: NativeChannel[];
}

/** What one drain took out of the ring; times are monotonic ns. */
export interface Drained {
  rows: number;
  /** it stopped because a batch was full, not because the ring was empty */
  more: boolean;
  firstTimeNanos: number;
  lastTimeNanos: number;
}

export function requestsOf(group: GroupSpec): RunRequest[] {
  const { t0Nanos, periodNanos, resolutionNanos } = group;
  return group.sources.map((source) => {
    const { stream, schema, samplesPerEvent, writer, attributes } = source;
    const schedule = { t0Nanos, periodNanos, resolutionNanos };
    return { stream, schema, samplesPerEvent, writer, attributes, ...schedule };
  });
}

/** What of a group's configuration its streams, made before, do not take over. */
export function mismatches({ sources }: GroupSpec, opened: readonly OpenedRun[]): string[] {
  return opened
    .filter(({ stream }, i) => stream.samplesPerEvent !== sources[i]!.samplesPerEvent)
    .map(({ stream: { name, samplesPerEvent } }) => keptEvents(name, samplesPerEvent));
}

/** @param samplesPerEvent as the stream has it, where that is known */
export function keptEvents(stream: string, samplesPerEvent?: number): string {
  const count = samplesPerEvent === undefined ? '' : `${samplesPerEvent} `;
  return `${stream}: the stream keeps the ${count}samples per event it was made with`;
}
