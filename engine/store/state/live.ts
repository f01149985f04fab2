/**
 * The streams and runs of the control state, as it keeps them: one shape for all, every field
 * written here by name. V8 gives objects that are put together from parts (`{...entry}`) a shape
 * each, and a commit to a thousand streams then takes a microsecond longer for each of them.
 */
import type {
  RunEntry,
  RunSnapshot,
  StreamEntry,
  StreamSnapshot,
} from '../entries/control-entries.ts';

/** A stream that has held nothing yet. */
export function emptyStream(entry: StreamEntry): StreamSnapshot {
  return { ...entry, nextOffset: 0, totals: NOTHING };
}

const NOTHING: StreamSnapshot['totals'] = {
  ...{ records: 0, samples: 0, bytes: 0, paddingBytes: 0 },
  ...{ firstNanos: null, lastNanos: null, unorderedEnd: undefined },
};

/** A copy that belongs to the state. */
export function liveStream(stream: StreamSnapshot): StreamSnapshot {
  const { totals } = stream;
  return {
    id: stream.id,
    name: stream.name,
    incarnation: stream.incarnation,
    createdNanos: stream.createdNanos,
    schemaId: stream.schemaId,
    samplesPerEvent: stream.samplesPerEvent,
    nextOffset: stream.nextOffset,
    totals: {
      records: totals.records,
      samples: totals.samples,
      bytes: totals.bytes,
      paddingBytes: totals.paddingBytes,
      firstNanos: totals.firstNanos,
      lastNanos: totals.lastNanos,
      unorderedEnd: totals.unorderedEnd,
    },
  };
}

/** A copy that belongs to the state. */
export function liveRun(run: RunSnapshot): RunSnapshot {
  return {
    id: run.id,
    stream: run.stream,
    writer: run.writer,
    epoch: run.epoch,
    firstSeq: run.firstSeq,
    schemaId: run.schemaId,
    bootId: run.bootId,
    t0Nanos: run.t0Nanos,
    periodNanos: run.periodNanos,
    resolutionNanos: run.resolutionNanos,
    clock: run.clock,
    kernelClock: run.kernelClock,
    attributes: run.attributes,
    copied: run.copied,
    nextSeq: run.nextSeq,
    ordinal: run.ordinal,
    lastTick: run.lastTick,
    lastNanos: run.lastNanos,
    endReason: run.endReason,
  };
}

/** A run that begins; it takes over what its writer has reached: ticks only within one schedule. */
export function begunRun(entry: RunEntry, before: RunSnapshot | undefined): RunSnapshot {
  const sameSchedule =
    before !== undefined &&
    before.bootId === entry.bootId &&
    before.t0Nanos === entry.t0Nanos &&
    before.periodNanos === entry.periodNanos;
  return {
    ...entry,
    nextSeq: entry.copied?.from ?? entry.firstSeq,
    ordinal: 0,
    lastTick: sameSchedule ? before.lastTick : null,
    lastNanos: before?.lastNanos ?? null,
    endReason: null,
  };
}
