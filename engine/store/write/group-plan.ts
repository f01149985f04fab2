/**
 * A group before the state has taken it in: which streams and schemas it makes, which runs it
 * begins with what epochs, how far it takes streams and writers. Numbers count on from the state,
 * and from what is in the group already: more than one request may share it
 * (`control/shared-group.ts`).
 */
import { assert } from '../../base/assert.ts';
import { randomUint32, type Clock, type Random } from '../../base/clock.ts';
import { HelicorderError, messageOf } from '../../base/errors.ts';
import {
  EVENT_KEYS,
  OPAQUE_SCHEMA,
  canonicalSchema,
  nameProblem,
  parseSchema,
  schemaId,
  type Schema,
} from '../../batch/schema.ts';
import { epochCounter, epochOf } from '../../txn/position.ts';
import {
  runEntry,
  schemaEntry,
  streamEntry,
  type RunEntry,
  type RunSnapshot,
  type StreamEntry,
  type StreamSnapshot,
} from '../entries/control-entries.ts';
import { hex } from '../../base/bytes.ts';
import { KIND } from '../entries/format.ts';
import type { GroupBuilder } from '../log/group.ts';
import type { ControlState } from '../state/state.ts';

/** What a stream needs to be made. */
export interface StreamRequest {
  /** scope/name; the stream is created if there is none */
  stream: string;
  schema: Schema;
  samplesPerEvent: number;
}

/** What a run needs to be begun. */
export interface RunRequest extends StreamRequest {
  writer: string;
  t0Nanos: bigint;
  /** 0: opaque events */
  periodNanos: bigint;
  resolutionNanos: bigint;
  attributes: [string, string][];
}

/** A run of another store whose records are copied here; all but its numbers stays as it was. */
export interface CopiedRun extends Omit<RunEntry, 'id' | 'stream' | 'schemaId'> {
  schema: Schema;
  copied: { run: number; from: number };
}

/** A run of opaque events: it has no schedule. */
export function eventRun(stream: string, writer: string): RunRequest {
  return {
    stream,
    writer,
    schema: OPAQUE_SCHEMA,
    samplesPerEvent: 1,
    t0Nanos: 0n,
    periodNanos: 0n,
    resolutionNanos: 1n,
    attributes: [],
  };
}

/** What a group will have made and moved. */
class Numbers {
  readonly streams = new Map<string, StreamEntry>();
  readonly schemas = new Set<string>();
  runs = 0;
  /** by stream */
  readonly nextOffsets = new Map<number, number>();
  /** by run */
  readonly nextSeqs = new Map<number, number>();

  copy(): Numbers {
    const { streams, schemas, runs, nextOffsets, nextSeqs } = this;
    return Object.assign(new Numbers(), {
      streams: new Map(streams),
      schemas: new Set(schemas),
      runs,
      nextOffsets: new Map(nextOffsets),
      nextSeqs: new Map(nextSeqs),
    });
  }
}

export class GroupPlan {
  readonly builder: GroupBuilder;
  readonly #state: ControlState;
  readonly #options: { clock: Clock; random: Random };
  #numbers = new Numbers();

  constructor(
    state: ControlState,
    options: { clock: Clock; random: Random },
    builder: GroupBuilder,
  ) {
    this.#state = state;
    this.#options = options;
    this.builder = builder;
  }

  /** All that `add` adds, or nothing of it, if it throws: what was there before stays as it is. */
  attempt<T>(add: () => T): T {
    const [numbers, end] = [this.#numbers.copy(), this.builder.mark()];
    try {
      return add();
    } catch (error) {
      this.#numbers = numbers;
      this.builder.rewind(end);
      throw error;
    }
  }

  /** The offset of a stream's next record. */
  nextOffset({ id, nextOffset }: StreamSnapshot): number {
    return this.#numbers.nextOffsets.get(id) ?? nextOffset;
  }

  /** The seq of a run's next record. */
  nextSeq({ id, nextSeq }: RunSnapshot): number {
    return this.#numbers.nextSeqs.get(id) ?? nextSeq;
  }

  /** The group holds so many records more. @param run that numbers them; undefined: others do */
  took(records: number, stream: StreamSnapshot, run?: RunSnapshot): void {
    const { nextOffsets, nextSeqs } = this.#numbers;
    nextOffsets.set(stream.id, this.nextOffset(stream) + records);
    if (run) nextSeqs.set(run.id, this.nextSeq(run) + records);
  }

  /**
   * @throws USAGE for a stream that holds something else, a writer of another store, or channels
   * that no store can hold
   */
  add(request: RunRequest): RunSnapshot | undefined {
    checkChannels(request);
    const id = this.#schema(request.schema);
    const stream = this.#stream(request, id);
    const before = this.#state.latestRun(stream.id, request.writer);
    if (before?.copied) throw isCopied(request);
    const { monotonicNanos, boottimeNanos, utcNanos } = this.#options.clock.read();
    const number = this.#nextRun();
    const run: RunEntry = {
      id: number,
      stream: stream.id,
      writer: request.writer,
      epoch: this.#nextEpoch(before?.epoch ?? 0, number),
      firstSeq: before?.nextSeq ?? 1,
      schemaId: id,
      bootId: this.#options.clock.bootId(),
      t0Nanos: request.t0Nanos,
      periodNanos: request.periodNanos,
      resolutionNanos: request.resolutionNanos,
      clock: { monotonicNanos, boottimeNanos, utcNanos },
      kernelClock: this.#options.clock.kernelClock(),
      attributes: request.attributes,
      copied: undefined,
    };
    this.builder.add(KIND.run, stream.id, runEntry.encode(run));
    return before && { ...before };
  }

  /** Makes the stream, if there is none. @returns its number. @throws USAGE for the other kind */
  addStream(request: StreamRequest): number {
    return this.#stream(request, this.#schema(request.schema)).id;
  }

  /** @returns the number of the run here */
  addCopied(stream: number, { schema, ...origin }: CopiedRun): number {
    const id = this.#nextRun();
    const run: RunEntry = { ...origin, id, stream, schemaId: this.#schema(schema) };
    this.builder.add(KIND.run, stream, runEntry.encode(run));
    return id;
  }

  /**
   * Counter and nonce: an epoch that was never issued is not guessed. The counter is the run's
   * number at least: where the entry of a later run is lost, others still tell its number, not its
   * epoch.
   */
  #nextEpoch(before: number, run: number): number {
    const counter = Math.max(epochCounter(before) + 1, run);
    return epochOf(counter, randomUint32(this.#options.random));
  }

  #nextRun(): number {
    return this.#state.nextRun + this.#numbers.runs++;
  }

  #schema(schema: Schema): string {
    const id = schemaId(schema);
    const { schemas } = this.#numbers;
    if (!this.#state.schemas.has(id) && !schemas.has(id)) {
      schemas.add(id);
      const payload = schemaEntry.encode({ id, schema: canonicalSchema(schema) });
      this.builder.add(KIND.schema, 0, payload);
    }
    return id;
  }

  #stream(request: StreamRequest, schema: string): StreamEntry {
    const known = this.#state.streamNamed(request.stream);
    if (known) {
      if (known.schemaId !== schema) this.#checkKind(known, request);
      return known;
    }
    const { streams } = this.#numbers;
    assert(!streams.has(request.stream), 'one source per stream');
    const stream: StreamEntry = {
      id: this.#state.nextStream + streams.size,
      name: request.stream,
      incarnation: hex(this.#options.random.bytes(8)),
      createdNanos: this.#options.clock.read().utcNanos,
      schemaId: schema,
      samplesPerEvent: request.samplesPerEvent,
    };
    streams.set(stream.name, stream);
    this.builder.add(KIND.stream, stream.id, streamEntry.encode(stream));
    return stream;
  }

  /** Where damage has taken the schema nobody knows, and recording goes on. */
  #checkKind(stream: StreamSnapshot, { schema }: StreamRequest): void {
    const text = this.#state.schemas.get(stream.schemaId);
    if (text === undefined) return;
    const { kind } = JSON.parse(text) as { kind: string };
    if (kind === schema.kind) return;
    const holds = kind === 'opaque' ? 'opaque events' : 'samples';
    throw new HelicorderError(
      'USAGE',
      `stream ${stream.name} holds ${holds}; choose another stream`,
    );
  }
}

/** A schema that is written is there for good: it must be one that can be read again. */
function checkChannels({ stream, schema, attributes }: RunRequest): void {
  if (schema.kind === 'opaque') return;
  const taken = [...EVENT_KEYS, ...attributes.map(([name]) => name)];
  const problem = nameProblem(schema.channels, taken);
  if (problem) throw unfit(stream, `name of channel ${problem.index}: ${problem.why}`);
  try {
    parseSchema(canonicalSchema(schema));
  } catch (cause) {
    throw unfit(stream, messageOf(cause), cause);
  }
}

function unfit(stream: string, why: string, cause?: unknown): HelicorderError {
  return new HelicorderError('USAGE', `stream ${stream} cannot be recorded: ${why}`, { cause });
}

/** Its epochs and seqs are issued elsewhere. */
function isCopied({ stream, writer }: RunRequest): HelicorderError {
  return new HelicorderError(
    'USAGE',
    `stream ${stream} holds records of a writer ${writer} of another store, which were copied: ` +
      'give this one another name (writer), or choose another stream',
  );
}
