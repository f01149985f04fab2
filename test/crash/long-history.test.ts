/**
 * What a store costs does not depend on what lies behind it: starting to record after kill −9, and
 * finding a record by its offset or its time, in a store of 20 GB against one of 50 MB. The files
 * that are opened and the bytes that are read are counted and hold on any machine; the time is a
 * ratio within one run, of the one store to the other in turns, and is taken of the full size only.
 *
 * A part of each store is in chunks, the rest in small segments. The events are noise, so that
 * the disk holds as many bytes as were appended.
 */
import { statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { childProgram } from '../../bench/files.ts';
import { runNode } from '../../bench/process.ts';
import { median } from '../../bench/stats.ts';
import { monotonicMs } from '../../engine/base/clock.ts';
import { KIB, MIB } from '../../engine/base/constants.ts';
import { turn } from '../../engine/base/turn.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { Appender } from '../../engine/store/appender.ts';
import { viewOf } from '../../engine/store/entries/format.ts';
import { Store, systemEnvironment } from '../../engine/store/store.ts';
import { Program } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { countingFiles, type Asked } from '../support/counting-files.ts';
import { temporaryDirectory } from '../support/directory.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { upkeepToTheEnd } from '../support/sealing.ts';
import { skipLoudly } from '../support/skip.ts';
import { bytes, openWriter } from '../support/stores.ts';

const STREAM = 'bench/history';
const WRITER = 'history';
const EVENT_BYTES = 64 * KIB;
const GROUP_EVENTS = 15;

/** In segments, or what they were made into. */
interface Length {
  segmentBytes: number;
  /** The last segment that is to be sealed is not finished, and stays. */
  chunks: number;
  log: number;
}
/** 52 and 208 MiB. */
const ONCE: Length = { segmentBytes: 4 * MIB, chunks: 3, log: 10 };
const FOUR_TIMES: Length = { segmentBytes: 4 * MIB, chunks: 12, log: 40 };
/**
 * 48 MiB and 20 GiB. With segments of 4 MiB the long one would have 4864 files, and the names in
 * its directory, which a restart lists five times, would be a third of its time.
 */
const SHORT: Length = { segmentBytes: 16 * MIB, chunks: 1, log: 2 };
const LONG: Length = { segmentBytes: 16 * MIB, chunks: 64, log: 1216 };
const FREE_BYTES = 25e9;
const FILL_MS = 1_200_000;
const RESTART_MS = 60_000;

/** More than five: a restart takes a twentieth of a second, and now and then twice as long. */
const PAIRS = 15;
const LOOK_UPS = 60;
const RESTART_RATIO_MAX = 1.2;
const LOOK_UP_RATIO_MAX = 2;
/** Numbers in snapshots have a digit more or less. */
const BYTES_RATIO_MAX = 1.02;
/** A look-up reads its segment up to the place, which is another one in each store. */
const LOOK_UP_BYTES_RATIO_MAX = 1.5;
/** By offset; by time, which is two more behind the first; and what was found by time. */
const LOOK_UPS_A_PLACE = 5;

const filler = fileURLToPath(new URL('../support/fill-store.cjs', import.meta.url));
const isSoak = process.env['HELICORDER_SOAK'] !== undefined;
const { bavail, bsize } = statfsSync(tmpdir());

const testOnLargeDisk = skipLoudly(
  !isSoak || bavail * bsize < FREE_BYTES,
  isSoak
    ? `less than ${FREE_BYTES / 1e9} GB are free in the temporary directory`
    : 'writes 20 GB: only with HELICORDER_SOAK=1 (npm run test:soak)',
);

interface History {
  dir: string;
  events: number;
}

/** Appends events and is killed −9. @returns their number */
async function fill(dir: string, from: number, groups: number): Promise<number> {
  const numbers = [from, groups, GROUP_EVENTS, EVENT_BYTES].map(String);
  const program = new Program(process.execPath, [filler, dir, ...numbers], { lifeMs: FILL_MS });
  await program.stdout.next((line) => line === 'filled');
  await program.kill();
  count('kills');
  return groups * GROUP_EVENTS;
}

/** A store of so many segments, its owner killed. */
async function makeHistory({ segmentBytes, chunks, log }: Length): Promise<History> {
  const dir = join(temporaryDirectory(), 'store');
  openWriter(dir, segmentBytes).close();
  // whole segments, with room for snapshot and footer: the stores end at the same place of one
  const segmentGroups = segmentBytes / MIB;
  const sealed = await fill(dir, 0, chunks * segmentGroups);
  const writer = openWriter(dir, segmentBytes);
  await upkeepToTheEnd(writer, async () => turn());
  writer.close();
  const events = sealed + (await fill(dir, sealed, log * segmentGroups));
  expect(nodeFileSystem.list(join(dir, 'chunks')), 'chunks').not.toEqual([]);
  expect(nodeFileSystem.diskUse(dir)).toBeGreaterThan(0.9 * (chunks + log) * segmentBytes);
  return { dir, events };
}

/** What starting to record asks of the disk, until the first record is durable. */
async function askedByRestart({ dir }: History): Promise<Asked> {
  const { fs, asked } = countingFiles();
  const environment = { ...systemEnvironment, fs };
  const appender = Appender.open(dir, { stream: STREAM, writer: WRITER, environment });
  await appender.append([bytes('started again')]);
  const atStart = { ...asked };
  appender.close();
  return atStart;
}

/** @returns the time of the event */
async function lookUp(store: Store, event: number): Promise<bigint> {
  for await (const item of store.read(STREAM, { from: event })) {
    if (item.kind !== 'events') throw new Error(`event ${event}: a ${item.kind} is there`);
    const found = viewOf(item.events[event - item.firstOffset]!).getFloat64(0, true);
    expect(found, 'the event of this offset').toBe(event);
    return item.utcNanos;
  }
  throw new Error(`event ${event} is not there`);
}

async function lookUpTime(store: Store, nanos: bigint, event: number): Promise<void> {
  const first = await store.locateTime(STREAM, nanos);
  expect(first, 'the first event of its time').toBeLessThanOrEqual(event);
  expect(await lookUp(store, first), 'its time').toBe(nanos);
}

async function msOf<T>(work: () => Promise<T>): Promise<{ ms: number; result: T }> {
  const fromMs = monotonicMs();
  const result = await work();
  return { ms: monotonicMs() - fromMs, result };
}

/** Of one store: what a look-up asks of the disk on average, and how long each took. */
interface LookedUp extends Asked {
  offsetMs: number[];
  timeMs: number[];
}

function searchIn({ dir, events }: History) {
  const { fs, asked, forget } = countingFiles();
  const store = Store.open(dir, { ...systemEnvironment, fs });
  Object.assign(asked, { opened: 0, bytesRead: 0 });
  const [offsetMs, timeMs]: [number[], number[]] = [[], []];
  return {
    at: async (place: number): Promise<void> => {
      const event = Math.floor(place * events);
      const { ms, result: nanos } = await msOf(() => lookUp(store, event));
      offsetMs.push(ms);
      // a short history would stay in the page cache, a long one would not
      forget();
      timeMs.push((await msOf(() => lookUpTime(store, nanos, event))).ms);
      forget();
    },
    end: (): LookedUp => {
      store.close();
      const [opened, bytesRead] = [asked.opened / LOOK_UPS, asked.bytesRead / LOOK_UPS];
      return { opened, bytesRead, offsetMs, timeMs };
    },
  };
}

interface Both<T> {
  short: T;
  long: T;
}

/** In turns, each at the same part of both stores. */
async function lookUps({ short, long }: Both<History>): Promise<Both<LookedUp>> {
  const random = new SeededRandom(SEED);
  const [inShort, inLong] = [searchIn(short), searchIn(long)];
  for (let i = 0; i < LOOK_UPS; i++) {
    const place = random.next();
    await inShort.at(place);
    await inLong.at(place);
  }
  return { short: inShort.end(), long: inLong.end() };
}

async function bothHistories({ short, long }: Both<Length>): Promise<Both<History>> {
  return { short: await makeHistory(short), long: await makeHistory(long) };
}

async function checkRestartReads({ short, long }: Both<History>): Promise<void> {
  const [shortAsked, longAsked] = [await askedByRestart(short), await askedByRestart(long)];
  expect(longAsked.opened, 'files opened to start').toBe(shortAsked.opened);
  const ratio = longAsked.bytesRead / shortAsked.bytesRead;
  expect(ratio, 'bytes read to start').toBeLessThan(BYTES_RATIO_MAX);
}

/** A history twice as long costs a search one more probe. */
function checkLookUpReads({ short, long }: Both<LookedUp>, lengthRatio: number): void {
  const probes = LOOK_UPS_A_PLACE * (Math.log2(lengthRatio) + 1);
  const where = `HELICORDER_SEED=${SEED}`;
  expect(long.opened - short.opened, `files opened, ${where}`).toBeLessThan(probes);
  const ratio = long.bytesRead / short.bytesRead;
  expect(ratio, `bytes read, ${where}`).toBeLessThan(LOOK_UP_BYTES_RATIO_MAX);
}

async function restartMs({ dir }: History): Promise<number> {
  const options = { timeoutMs: RESTART_MS, endsBy: 'SIGKILL' } as const;
  const program = childProgram('child-restart');
  const { readyMs } = await runNode<{ readyMs: number }>(program, [dir], options);
  count('kills');
  return readyMs;
}

/** Pairs, the long one first in every second; the first pair counts for nothing. */
async function restarts({ short, long }: Both<History>): Promise<Both<number[]>> {
  const times: Both<number[]> = { short: [], long: [] };
  for (let pair = 0; pair <= PAIRS; pair++) {
    const order = pair % 2 === 0 ? (['short', 'long'] as const) : (['long', 'short'] as const);
    for (const which of order) {
      const ms = await restartMs(which === 'short' ? short : long);
      if (pair > 0) times[which].push(ms);
    }
  }
  return times;
}

/** The median of the pairs' ratios, printed with both medians. */
function ratioOf(what: string, { short, long }: Both<readonly number[]>): number {
  const ratio = median(long.map((ms, i) => ms / short[i]!));
  const medians = `${median(long).toFixed(1)} to ${median(short).toFixed(1)} ms`;
  process.stdout.write(`${what}: ${ratio.toFixed(2)} (${medians}, ${long.length} pairs)\n`);
  return ratio;
}

test('a history four times as long: the same files and bytes to start, two probes more to search', async () => {
  const histories = await bothHistories({ short: ONCE, long: FOUR_TIMES });
  await checkRestartReads(histories);
  checkLookUpReads(await lookUps(histories), 4);
});

testOnLargeDisk(
  '20 GB of history: a restart after kill −9 takes as long as after 50 MB, a look-up nearly',
  async () => {
    const histories = await bothHistories({ short: SHORT, long: LONG });
    const restart = ratioOf('restart, 20 GB to 50 MB', await restarts(histories));
    await checkRestartReads(histories);
    const found = await lookUps(histories);
    const { short, long } = found;
    const byOffset = ratioOf('by offset', { short: short.offsetMs, long: long.offsetMs });
    const byTime = ratioOf('by time', { short: short.timeMs, long: long.timeMs });
    process.stdout.write(`files a look-up: ${long.opened} to ${short.opened}\n`);
    process.stdout.write(`bytes a look-up: ${long.bytesRead} to ${short.bytesRead}\n`);
    checkLookUpReads(found, LONG.log / SHORT.log);
    expect(restart, 'restart').toBeLessThanOrEqual(RESTART_RATIO_MAX);
    expect(byOffset, 'look-up by offset').toBeLessThanOrEqual(LOOK_UP_RATIO_MAX);
    expect(byTime, 'look-up by time').toBeLessThanOrEqual(LOOK_UP_RATIO_MAX);
  },
);
