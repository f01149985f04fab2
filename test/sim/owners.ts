/**
 * The owners of the store, as production runs them: the recorder's writer thread, and a program
 * that appends events. Each is one life of a process: it opens the store, works, and ends; or is
 * ended from outside at any operation. What was acknowledged is told to the oracle at once.
 */
import { HelicorderError, errnoCode } from '../../engine/base/errors.ts';
import { OPAQUE_SCHEMA } from '../../engine/batch/schema.ts';
import { Collector } from '../../engine/collector/collector.ts';
import { namedStream } from '../../engine/store/state/named.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { applyUpkeep } from '../../engine/store/write/changes.ts';
import type { UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import type { SeededRandom } from '../support/random.ts';
import { auditCatalog, witnessOpening } from './catalog-audit.ts';
import type { Oracle } from './oracle.ts';
import { LiveGroup, type KnownGroup } from './sources.ts';
import { UpkeepThread, retentionOf, type Step } from './upkeep.ts';
import type { Process } from './world.ts';

export const DIR = '/store';

/** What an owner is asked to do. */
export interface Work {
  oracle: Oracle;
  step: Step;
  groups: readonly KnownGroup[];
  opaque: readonly string[];
  /** flushes, or appends */
  steps: number;
  /** clean: the store is closed in the end; else the process just goes */
  isClean: boolean;
  /** it is an error if the owner does not get through */
  mustEnd: boolean;
}

/** Errors by which an owner ends when the disk does not do its part. */
function isOfTheDisk(error: unknown): boolean {
  if (!(error instanceof HelicorderError)) return errnoCode(error) !== undefined;
  return error.code === 'STORE_IO' || error.code === 'NO_SPACE' || error.code === 'STORE_IN_USE';
}

async function guarded(work: Work, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    const isDamage = error instanceof HelicorderError && error.code === 'DAMAGED';
    if (isDamage && work.oracle.isLenient) return;
    if (!isOfTheDisk(error) || work.mustEnd) throw error;
  }
}

export function recorderLife(process: Process, work: Work): Promise<void> {
  return guarded(work, async () => {
    const { oracle } = work;
    const { weather } = process.world;
    const groups = work.groups.map((group) => new LiveGroup(group, process, oracle));
    const witness = witnessOpening(process, DIR, oracle);
    const collector = new Collector(
      {
        dataDir: DIR,
        segmentBytes: weather.newSegmentBytes,
        groups: groups.map(({ spec }) => spec),
        retention: retentionOf(process.world),
      },
      process.environment,
    );
    witness(collector.writer);
    const streams = work.groups.flatMap(({ sources }) => sources.map(({ stream }) => stream));
    for (const name of streams) {
      const { nextOffset } = namedStream(collector.writer.state, name);
      oracle.stream(name).begin(nextOffset, oracle.isLenient);
    }
    oracle.owner = process;
    for (const group of groups) group.start();
    const upkeep = upkeepOf(process, work, collector.writer, (result) =>
      applyUpkeep(collector.writer, result),
    );
    for (let i = 0; i < work.steps; i++) {
      await process.sleep(weather.flushMs);
      const taken = streams.map((name) => oracle.stream(name).taken.length);
      if (!collector.flush()) acknowledge(oracle, collector, streams, taken);
    }
    if (!work.isClean) return;
    upkeep.stop();
    for (const group of groups) group.close();
    const taken = streams.map((name) => oracle.stream(name).taken.length);
    oracle.owner = undefined;
    if (collector.close()) acknowledge(oracle, collector, streams, taken);
    else if (work.mustEnd) throw new Error('the backlog does not drain');
    else for (const name of streams) oracle.stream(name).letGo();
    if (work.mustEnd) auditCatalog(process, DIR, oracle);
  });
}

function upkeepOf(
  process: Process,
  { oracle, step }: Work,
  { state }: StoreWriter,
  apply: (result: UpkeepResult) => void,
): UpkeepThread {
  const told = (result: UpkeepResult): void => {
    apply(result);
    for (const { id, name } of state.streams.values()) {
      const stream = oracle.streams.get(name);
      if (stream) stream.retiredEnd = Math.max(stream.retiredEnd, state.lowWaterOf(id));
    }
  };
  const thread = new UpkeepThread(process, { dir: DIR, oracle, step, apply: told });
  thread.start();
  return thread;
}

/** Everything that was in the rings before is durable, unless the disk is full. */
function acknowledge(
  oracle: Oracle,
  collector: Collector,
  streams: readonly string[],
  taken: readonly number[],
): void {
  const { isWaiting, state } = collector.writer;
  if (isWaiting) return;
  oracle.counts.acknowledged++;
  streams.forEach((name, i) => {
    oracle.stream(name).acknowledgeTicks(taken[i]!, namedStream(state, name).nextOffset);
  });
}

export function appenderLife(process: Process, work: Work): Promise<void> {
  return guarded(work, async () => {
    const { oracle } = work;
    const { weather, random } = process.world;
    const segmentBytes = weather.newSegmentBytes;
    const { budget } = retentionOf(process.world);
    const options = { ...process.environment, segmentBytes, budget };
    const witness = witnessOpening(process, DIR, oracle);
    const writer = StoreWriter.open(DIR, options);
    witness(writer);
    oracle.owner = process;
    const opened = writer.beginRuns(work.opaque.map(requestOf));
    for (const { stream } of opened) {
      oracle.stream(stream.name).begin(stream.nextOffset, oracle.isLenient);
    }
    const upkeep = upkeepOf(process, work, writer, (result) => applyUpkeep(writer, result));
    for (let i = 0; i < work.steps; i++) {
      await process.sleep(random.below(20));
      const target = opened[random.below(opened.length)]!;
      if (await append(process, writer, target, oracle)) continue;
      if (work.mustEnd) throw new Error('the disk stays full');
      return;
    }
    if (!work.isClean) return;
    upkeep.stop();
    oracle.owner = undefined;
    const builder = writer.group();
    for (const { run } of opened) writer.addRunEnd(builder, run, 'stopped');
    writer.commit(builder);
    writer.close();
  });
}

/** I18: whoever comes while somebody else owns the store is sent away. */
export async function intruder(process: Process, oracle: Oracle): Promise<void> {
  await process.sleep(process.random.below(300));
  const segmentBytes = process.world.weather.newSegmentBytes;
  try {
    const writer = StoreWriter.open(DIR, { ...process.environment, segmentBytes });
    if (oracle.owner?.isAlive) throw new Error('the store has two owners');
    writer.abandon();
  } catch (error) {
    const isDamage = error instanceof HelicorderError && error.code === 'DAMAGED';
    if (!isOfTheDisk(error) && !(isDamage && oracle.isLenient)) throw error;
  }
}

/** @returns false if there is no space, and none comes */
async function append(
  process: Process,
  writer: StoreWriter,
  target: OpenedRun,
  oracle: Oracle,
): Promise<boolean> {
  const { random, world } = process;
  const events = makeEvents(random, world.weather.eventBytes);
  const stream = oracle.stream(target.stream.name);
  stream.attempt(target.stream.nextOffset, events);
  try {
    stream.acknowledge(writer.appendEvents(target, events).firstOffset);
  } catch (error) {
    if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
    const firstOffset = await whenThereIsSpace(process, writer);
    if (firstOffset === undefined) return false;
    stream.acknowledge(firstOffset);
  }
  oracle.counts.acknowledged++;
  return true;
}

/** @returns undefined if that takes too long: the budget may be spent for good */
async function whenThereIsSpace(
  process: Process,
  writer: StoreWriter,
): Promise<number | undefined> {
  for (let i = 0; i < 100; i++) {
    await process.sleep(50);
    try {
      return writer.resume()[0]!.firstOffset;
    } catch (error) {
      if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
    }
  }
  return undefined;
}

function requestOf(stream: string) {
  const schedule = { t0Nanos: 0n, periodNanos: 0n, resolutionNanos: 1n };
  const what = { stream, writer: 'producer', schema: OPAQUE_SCHEMA, samplesPerEvent: 1 };
  return { ...what, ...schedule, attributes: [] as [string, string][] };
}

const NOISE = new Uint8Array(2 ** 18);
for (let i = 0, x = 1; i < NOISE.length; i++)
  NOISE[i] = (x = Math.imul(x, 1664525) + 1013904223) >>> 24;

/** Bytes that occur nowhere else, some of them compressible. */
function makeEvents(random: SeededRandom, maxBytes: number): Uint8Array[] {
  return Array.from({ length: 1 + random.below(4) }, () => {
    const size = 8 + random.below(random.next() < 0.7 ? Math.min(maxBytes, 500) : maxBytes);
    const start = random.below(NOISE.length - size);
    const event = random.next() < 0.5 ? new Uint8Array(size) : NOISE.slice(start, start + size);
    event.set(random.bytes(8));
    return event;
  });
}
