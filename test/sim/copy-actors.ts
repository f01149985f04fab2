/**
 * Who takes part in a copy: the owners of both stores, as the writer's thread of a recorder runs
 * them (`workers/writer.worker.ts`), and the copier. Each is one life of a process, ended from
 * outside at any operation, or by a disk that fails.
 */
import type { RetentionRule } from '../../engine/base/retention.ts';
import { HelicorderError, errnoCode } from '../../engine/base/errors.ts';
import { encodeEventList } from '../../engine/control/protocol.ts';
import { WriterAgent } from '../../engine/collector/writer-agent.ts';
import { upkeepStep, type UpkeepResult } from '../../engine/store/upkeep/upkeep.ts';
import { StoreParticipant } from '../../engine/targets/store-participant.ts';
import { SourceStore } from '../../engine/targets/source-store.ts';
import type { Derivation } from '../../engine/derive/derivation.ts';
import { DerivedSource } from '../../engine/targets/derived-source.ts';
import { StoreSource } from '../../engine/targets/store-source.ts';
import { Copier, type CopyProgress, type CopyResult } from '../../engine/txn/copier.ts';
import type { Timer } from '../../engine/txn/pacing.ts';
import type { CopyOracle } from './copy-oracle.ts';
import { LOCAL, Line, type LineWeather, type Site } from './copy-network.ts';
import type { Oracle } from './oracle.ts';
import { LiveGroup, type KnownGroup } from './sources.ts';
import { retentionOf } from './upkeep.ts';
import { ProcessDied, type Process } from './world.ts';

export const CURSOR = 'copy';
/** Clients that append ask through no connection that anybody else has. */
const PRODUCER = -1;
const DEADLINE_MS = 3000;
const PROBE_MS = 2000;
/** Of a transaction that is as large as it comes: little, so that its records are read again. */
const KEPT_BYTES = 2000;
/** A step reads the log, also where there is nothing to do: the most expensive thing here. */
const UPKEEP_MIN_MS = 300;
/** Between two appends of the producer, and of one event. */
const PRODUCER_MAX_MS = 100;
const EVENT_MAX_BYTES = 2000;

export interface OwnerWork {
  site: Site;
  oracle: CopyOracle;
  groups: readonly KnownGroup[];
  /** what their devices read */
  devices: Oracle;
  /** a stream of events that something appends to, if there is one, under this writer's name */
  events: { stream: string; writer: string } | undefined;
  /** of a transaction that stay in memory, if not what production says */
  spillBytes?: number | undefined;
  /** it ends well, when it sees that this has become true */
  isOver: () => boolean;
}

/** What a disk that does its part never brings about, and what passes by itself. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof HelicorderError)) return errnoCode(error) !== undefined;
  return ['STORE_IO', 'NO_SPACE', 'STORE_IN_USE', 'DISCONNECTED'].includes(error.code);
}

export async function ownerLife(process: Process, work: OwnerWork): Promise<void> {
  const { site } = work;
  try {
    const groups = work.groups.map((group) => new LiveGroup(group, process, work.devices));
    const agent = openAgent(process, work, groups);
    site.begin({ process, agent, serveSoon: () => serveSoon(process, agent) });
    for (const group of groups) group.start();
    if (work.events !== undefined) produce(process, site, work.events);
    upkeep(process, work, agent);
    while (!work.isOver()) {
      await process.sleep(process.world.weather.flushMs);
      agent.flush();
    }
    for (const group of groups) group.close();
    agent.close();
  } catch (error) {
    if (process.world.isCalm || !isPassing(error)) throw error;
  }
}

function openAgent(
  process: Process,
  { site, spillBytes }: OwnerWork,
  groups: readonly LiveGroup[],
): WriterAgent {
  const { weather } = process.world;
  const environment = { ...process.environment, ...(spillBytes && { spillBytes }) };
  return new WriterAgent(
    {
      dataDir: site.dir,
      segmentBytes: weather.newSegmentBytes,
      groups: groups.map(({ spec }) => spec),
      retention: retentionOf(process.world),
    },
    environment,
    { answer: (key, answer) => site.answer(key, answer), waiting: () => undefined },
  );
}

/** One write at a time, as the thread does it between two messages. */
function serveSoon(process: Process, agent: WriterAgent): void {
  process.after(0.01, () => {
    guarded(process, () => {
      if (agent.serve()) serveSoon(process, agent);
    });
  });
}

/** What is final for an owner ends its process. */
function guarded(process: Process, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (error instanceof ProcessDied) return;
    if (process.world.isCalm || !isPassing(error)) return process.world.fail(error);
    process.world.end(process);
  }
}

/** A client that opens its writer and appends, each when the last was answered. */
function produce(
  process: Process,
  site: Site,
  { stream, writer }: { stream: string; writer: string },
): void {
  const { random, world } = process;
  const append = (run: number): void => {
    const size = (): number =>
      8 + random.below(Math.min(world.weather.eventBytes, EVENT_MAX_BYTES));
    const events = Array.from({ length: 1 + random.below(4) }, () => random.bytes(size()));
    const again = (): void => void process.after(random.below(PRODUCER_MAX_MS), () => append(run));
    site.submit(PRODUCER, { type: 'append', run }, encodeEventList(events), again);
  };
  const question = { type: 'open', stream, writer } as const;
  site.submit(PRODUCER, question, new Uint8Array(0), (answer) => {
    if (answer.type === 'opened') append(answer.run);
  });
}

/** Sealing, retention and tidying, step by step, beside the owner. */
function upkeep(process: Process, work: OwnerWork, agent: WriterAgent): void {
  const { random, world } = process;
  const weather = world.weather.upkeep;
  if (weather === undefined) return;
  const again = async (): Promise<void> => {
    for (;;) {
      await process.sleep(UPKEEP_MIN_MS + random.below(2 * weather.idleMs));
      const result = await attempt(process, work, weather);
      if (work.isOver()) return;
      if (result) guarded(process, () => apply(agent, result));
      process.check();
    }
  };
  again().catch((error: unknown) => {
    if (process.isAlive) world.fail(error);
  });
}

/** Without space it is found again, when there is some. */
function apply(agent: WriterAgent, result: UpkeepResult): void {
  try {
    agent.applyUpkeep(result);
  } catch (error) {
    if (!(error instanceof HelicorderError) || error.code !== 'NO_SPACE') throw error;
  }
}

async function attempt(
  process: Process,
  { site, oracle }: OwnerWork,
  { retention, pauseChance }: { retention: readonly RetentionRule[]; pauseChance: number },
): Promise<UpkeepResult | undefined> {
  const { random, world } = process;
  const pause = async (): Promise<void> => {
    process.check();
    if (world.chance(pauseChance)) await process.sleep(random.below(20));
  };
  const rules = { budgetBytes: world.budgetBytes, minFreeBytes: 0, retention };
  try {
    const result = await upkeepStep({ dataDir: site.dir, ...rules }, process.environment, pause);
    if (result.did === 'planned') await oracle.look(world, site);
    return result;
  } catch (error) {
    process.check();
    if (!isPassing(error)) throw error;
    return undefined;
  }
}

export interface CopierWork {
  source: Site;
  target: Site;
  stream: string;
  line: LineWeather;
  /** ends when all that was there in the beginning has been copied */
  isOneShot: boolean;
  batchRecords: number;
  /** of a transaction, whatever the target takes in one go */
  batchBytes: number | undefined;
  /** the copy is a derived one */
  derivation: Derivation | undefined;
  onProgress?: (progress: CopyProgress) => void;
}

export function timerOf(process: Process): Timer {
  const never = new Promise<void>(() => undefined);
  return {
    nowMs: () => process.world.now / 1e6,
    // nobody ever tells a simulated copier to stop
    sleep: (ms) => (process.isAlive ? process.sleep(ms) : never),
    after: (ms, action) => (process.isAlive ? process.after(ms, action) : () => undefined),
  };
}

export async function copierLife(process: Process, work: CopierWork): Promise<CopyResult> {
  const { stream, batchRecords, batchBytes, derivation, onProgress } = work;
  const owner = new Line(process, work.source, LOCAL);
  const reader = new SourceStore(work.source.dir, owner, process.environment);
  const store = new StoreSource({
    ...(derivation && { derivation: derivation.id }),
    ...{ store: reader, stream, cursor: CURSOR, from: 'start' },
  });
  const line = new Line(process, work.target, work.line);
  const participant = new StoreParticipant(line, { stream, ...store.shape() });
  const source = derivation ? new DerivedSource(store, derivation) : store;
  await source.open(new AbortController().signal);
  const until = work.isOneShot ? { until: await source.end() } : {};
  const pace = { deadlineMs: DEADLINE_MS, probeIntervalMs: PROBE_MS, timer: timerOf(process) };
  const copier = new Copier(source, participant, {
    ...{ batchRecords, random: process.random, ...pace, ...until },
    ...(batchBytes && { batchBytes, keptBytes: KEPT_BYTES }),
    ...(onProgress && { onProgress }),
  });
  const result = await copier.run();
  reader.close();
  return result;
}
