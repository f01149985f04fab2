/**
 * Bits that change at rest, in a store that nobody owns; and what they may take with them. Any byte
 * of a segment, a chunk, the mark, store.json or the catalog.
 */
import { KIND, alignUp } from '../../engine/store/entries/format.ts';
import { readLog, segmentStart } from '../../engine/store/log/log.ts';
import { listSegments, segmentPath } from '../../engine/store/log/segment.ts';
import { skipDamaged, type ChunkReader } from '../../engine/store/chunks/chunk-reader.ts';
import { CHUNK_HEADER_BYTES, CHUNK_TRAILER_BYTES } from '../../engine/store/chunks/format.ts';
import { dataItems } from '../../engine/store/entries/data.ts';
import type { DataItem } from '../../engine/store/entries/data-item.ts';
import { storePaths } from '../../engine/store/log/files.ts';
import { Store } from '../../engine/store/store.ts';
import type { Oracle } from './oracle.ts';
import { DIR } from './owners.ts';
import type { Process } from './world.ts';

const LOG = `${DIR}/log`;
const RECORDS: ReadonlySet<number> = new Set([KIND.times, KIND.batch, KIND.events, KIND.gap]);

interface Target {
  file: string;
  offset: number;
  length: number;
  items: Pick<DataItem, 'stream' | 'firstOffset' | 'records'>[];
  /** nothing but records in it, in one group */
  isPlain: boolean;
}

/** One flipped bit somewhere. */
export async function rot(process: Process, oracle: Oracle): Promise<void> {
  process.isSpared = true;
  // what was hit in its foundations may not open any more, and needs no more of it
  if (oracle.isLenient) return;
  const { random, world } = process;
  world.disk.settleAll();
  const targets = scan(process);
  const last = targets.at(-1);
  if (last === undefined) return;
  if (world.weather.catalog && random.next() < 0.6) {
    return random.next() < 0.5 ? spoilCatalog(process, oracle) : spoilEnd(process, oracle, targets);
  }
  if (random.next() < 0.2) return spoilSmallFile(process, oracle);
  if (random.next() < world.weather.foundationRotChance) {
    return spoilAnything(process, oracle, targets);
  }
  const plain = targets.filter((target, i) => target.isPlain && isFollowed(target, targets, i));
  const store = Store.open(DIR, process.environment);
  const sealed = await scanChunks(store);
  const names = new Map([...store.reader.state.streams.values()].map(({ id, name }) => [id, name]));
  store.close();
  const choice = random.next() < 0.5 && sealed.length > 0 ? sealed : plain;
  const target = choice[random.below(choice.length)];
  if (target === undefined) return;
  for (const { stream, firstOffset, records } of target.items) {
    // a filler of a test's own is nobody's
    const rotten = oracle.streams.get(names.get(stream) ?? '')?.rotten;
    for (let offset = firstOffset; offset < firstOffset + records; offset++) rotten?.add(offset);
  }
  oracle.spoiled.set(target.file, process.fs.inode(target.file));
  flip(process, target.file, target.offset + random.below(target.length));
}

/** The last records of a stream: nothing says any more that they were there (format-log.md). */
function isFollowed({ items }: Target, targets: readonly Target[], index: number): boolean {
  const later = targets.slice(index + 1).flatMap((target) => target.items);
  return items.every(({ stream }) => later.some((item) => item.stream === stream));
}

/** Control entries, snapshots, headers, padding: what depends on them may be lost. */
function spoilAnything(process: Process, oracle: Oracle, targets: readonly Target[]): void {
  const { random } = process;
  const { file, offset, length } = targets[random.below(targets.length)]!;
  oracle.isLenient = true;
  flip(process, file, random.next() < 0.2 ? random.below(160) : offset + random.below(length));
}

/** The last groups, of which nothing in the log may tell any more: the catalog may know of them. */
function spoilEnd(process: Process, oracle: Oracle, targets: readonly Target[]): void {
  oracle.isLenient = true;
  for (const { file, offset, length } of targets.slice(-1 - process.random.below(3))) {
    flip(process, file, offset + process.random.below(length));
  }
}

function spoilSmallFile(process: Process, oracle: Oracle): void {
  const { random, fs } = process;
  const file = `${DIR}/${random.next() < 0.5 ? 'store.json' : 'mark'}`;
  if (!fs.exists(file)) return;
  oracle.suspects.add(file);
  flip(process, file, random.below(fs.readFile(file).length));
}

/** Most of it is empty, and little of that is looked at by anybody. */
function spoilCatalog(process: Process, oracle: Oracle): void {
  const { random, fs } = process;
  const file = storePaths(DIR).catalog;
  if (!fs.exists(file)) return;
  oracle.suspects.add(file);
  const used = [...fs.readFile(file).entries()].filter(([, byte]) => byte !== 0);
  const target = used[random.below(used.length)];
  if (target) flip(process, file, target[0]);
}

function flip({ world, random }: Process, file: string, position: number): void {
  world.trace.add(`rot in ${file} at ${position}`);
  world.disk.stats.flips++;
  world.disk.find(file)!.flip(position, random.below(8));
}

function scan({ fs }: Process): Target[] {
  const [first] = listSegments(fs, LOG);
  if (first === undefined) return [];
  const targets: Target[] = [];
  for (const item of readLog(fs, LOG, { lsn: segmentStart(first), last: undefined }, undefined)) {
    if (item.kind !== 'group') continue;
    const { segment, offset, link, size } = item;
    const isSound = item.entries.all().every(({ kind, intact }) => intact && RECORDS.has(kind));
    const items = dataItems(item.entries, size, () => undefined).map((one) => {
      return { stream: one.stream, firstOffset: one.firstOffset, records: one.records };
    });
    targets.push({
      ...{ file: segmentPath(LOG, segment), offset, length: link.length, items },
      isPlain: isSound && alignUp(link.length) === size.padded,
    });
  }
  return targets;
}

/** All parts of all chunks that count and can be read. */
async function scanChunks({ reader: { chunks, state } }: Store): Promise<Target[]> {
  const targets: Target[] = [];
  for (const range of await chunks.chain(state.sealedEnd)) {
    await skipDamaged(() =>
      chunks.use(range, async (chunk) => void targets.push(...(await partsOf(chunk)))),
    );
  }
  return targets;
}

async function partsOf(chunk: ChunkReader): Promise<Target[]> {
  const { path, bytes, table, trailer } = chunk;
  const part = (offset: number, length: number, items: Target['items']): Target => {
    return { file: path, offset, length, items, isPlain: true };
  };
  const all: Target['items'] = [];
  const blocks: Target[] = [];
  const times = new Map<number, Target>();
  for (const { stream, directory, firstOffset, nextOffset } of table) {
    const found = await chunk.directory(stream);
    if (found === undefined) continue;
    const whole = { stream, firstOffset, records: nextOffset - firstOffset };
    all.push(whole);
    blocks.push(part(directory.at, directory.length, [whole]));
    for (const { place, times: shared, ...row } of found.blocks) {
      const item = { stream, firstOffset: row.firstOffset, records: row.records };
      blocks.push(part(place.at, place.length, [item]));
      if (shared.length === 0) continue;
      const known = times.get(shared.at) ?? part(shared.at, shared.length, []);
      known.items.push(item);
      times.set(shared.at, known);
    }
  }
  const ends = [
    part(0, CHUNK_HEADER_BYTES, all),
    part(trailer.table.at, trailer.table.length, all),
    part(bytes - CHUNK_TRAILER_BYTES, CHUNK_TRAILER_BYTES, all),
  ];
  return [...blocks, ...times.values(), ...ends];
}
