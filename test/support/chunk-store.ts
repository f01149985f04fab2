/** A small store with chunks in memory: its owner, its upkeep, and all that was written to it. */
import { MIB } from '../../engine/base/constants.ts';
import { applyUpkeep } from '../../engine/store/write/changes.ts';
import { segmentOf } from '../../engine/store/entries/format.ts';
import { Store, systemEnvironment, type StoreEnvironment } from '../../engine/store/store.ts';
import type { StreamItem } from '../../engine/store/read/stream-item.ts';
import { upkeepStep, type UpkeepOptions } from '../../engine/store/upkeep/upkeep.ts';
import type { StoreBudget } from '../../engine/store/entries/retention-entry.ts';
import { StoreWriter, type OpenedRun } from '../../engine/store/write/writer.ts';
import { SeededRandom } from './random.ts';
import { SimulatedDisk } from './simulated-disk.ts';
import { SimulatedFileSystem, type Host } from './simulated-file-system.ts';
import { beginEvents, beginSamples, bytes, commitSamples } from './stores.ts';

export const DIR = '/store';
export const [SAMPLES, EVENTS, FILLER] = ['test/samples', 'test/events', 'test/filler'];
const NOISE = new SeededRandom(5).bytes(100_000);
const TICKS = 20;

let environments = 1;

/** Each draws other ids. */
export function environmentOf(fs: SimulatedFileSystem): StoreEnvironment {
  environments++;
  return { ...systemEnvironment, fs, random: new SeededRandom(environments), pause: () => {} };
}

/** The same files on another disk, all of them durable. */
export function copyOf(disk: SimulatedDisk): SimulatedDisk {
  const [from, to] = [new SimulatedFileSystem(disk), new SimulatedFileSystem()];
  for (const dir of disk.directories()) {
    if (dir !== '') to.makeDirectory(dir);
    for (const name of from.list(dir)) {
      const path = `${dir}/${name}`;
      if (!from.isDirectory(path)) to.writeFileDurably(path, from.readFile(path));
    }
  }
  to.disk.settleAll();
  return to.disk;
}

/** What was begun to be written, and how much of it is acknowledged. */
export class Written {
  readonly samples: string[] = [];
  readonly events: string[] = [];
  acknowledged = { samples: 0, events: 0 };

  copy(): Written {
    const copy = new Written();
    copy.samples.push(...this.samples);
    copy.events.push(...this.events);
    copy.acknowledged = { ...this.acknowledged };
    return copy;
  }
}

export class ChunkStore {
  readonly fs: SimulatedFileSystem;
  readonly environment: StoreEnvironment;
  readonly writer: StoreWriter;
  readonly written: Written;
  readonly #samples: OpenedRun;
  readonly #events: OpenedRun;
  #filler: OpenedRun | undefined;

  constructor(
    disk = new SimulatedDisk(),
    written = new Written(),
    host?: Host,
    budget?: StoreBudget,
  ) {
    this.fs = new SimulatedFileSystem(disk, host);
    this.environment = environmentOf(this.fs);
    this.written = written;
    const options = { ...this.environment, segmentBytes: MIB, ...(budget && { budget }) };
    this.writer = StoreWriter.open(DIR, options);
    this.#samples = beginSamples(this.writer);
    this.#events = beginEvents(this.writer);
  }

  /** Appends to both streams. @param eventBytes of noise that does not compress */
  append(eventBytes = NOISE.length): void {
    const { samples, events, acknowledged } = this.written;
    const first = this.#samples.stream.nextOffset;
    for (let i = 0; i < TICKS; i++) samples[first + i] = `${first + i} ${(first + i) % 1000}`;
    commitSamples(this.writer, this.#samples, first, TICKS);
    acknowledged.samples = first + TICKS;
    const offset = this.#events.stream.nextOffset;
    const event = bytes(`event ${offset} `);
    events[offset] = eventText(offset, event);
    this.writer.appendEvents(this.#events, [Buffer.concat([event, NOISE.subarray(0, eventBytes)])]);
    acknowledged.events = offset + 1;
  }

  /** Fills segments up to number `segment`, with both streams in turns. */
  fillUpTo(segment: number): void {
    while (segmentOf(this.writer.durableEnd) < segment) this.append();
  }

  /** Ends the segment by events of a stream of their own. */
  endSegment(): void {
    this.#filler ??= beginEvents(this.writer, FILLER);
    const next = segmentOf(this.writer.durableEnd) + 1;
    while (segmentOf(this.writer.durableEnd) < next) {
      this.writer.appendEvents(this.#filler, [NOISE]);
    }
  }

  /** Steps of upkeep until there is nothing to do. @returns what was done */
  async settle(rules: Partial<UpkeepOptions> = {}): Promise<string[]> {
    const none = { dataDir: DIR, budgetBytes: undefined, minFreeBytes: 0, retention: [] };
    const done: string[] = [];
    for (let i = 0; i < 100; i++) {
      const step = upkeepStep({ ...none, ...rules }, this.environment, () => Promise.resolve());
      const result = await step;
      if (result.did === 'nothing') return done;
      done.push(result.did);
      applyUpkeep(this.writer, result);
    }
    throw new Error(`upkeep does not come to an end: ${done.join()}`);
  }

  chunks(): string[] {
    return this.fs.list(`${DIR}/chunks`).map((name) => `${DIR}/chunks/${name}`);
  }
}

/** All records of a stream, one line each: what stands for several is one line as well. */
export async function recordsOf(environment: StoreEnvironment, stream: string): Promise<string[]> {
  const store = Store.open(DIR, environment);
  try {
    const found: string[] = [];
    for await (const item of store.read(stream)) found.push(...linesOf(item));
    return found;
  } finally {
    store.close();
  }
}

export function linesOf(item: StreamItem): string[] {
  if (item.kind === 'fault') return [`fault ${item.fault.what}`];
  const { firstOffset } = item;
  if (item.kind === 'gap') return [`${firstOffset} ${item.reason} ×${item.records}`];
  if (item.kind === 'events')
    return item.events.map((event, i) => eventText(firstOffset + i, event));
  const values = item.batch.columns[0]!;
  return Array.from(item.batch.ticks, (_, i) => `${firstOffset + i} ${values[i]}`);
}

function eventText(offset: number, event: Uint8Array): string {
  return `${offset} ${Buffer.from(event.subarray(0, 16)).toString('latin1').split(' ')[1]}`;
}
