/**
 * The power cut under a recorder and a writer, again and again over one store, on real file systems
 * that lie in files: a shutdown of the file system at a random moment keeps what was synced and
 * loses the rest. Segments are as small as can be, so that rolling, sealing and recycling are
 * always under way.
 *
 * The oracles stand outside: what a producer was acknowledged, and what a follower had printed.
 */
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { MIB } from '../../engine/base/constants.ts';
import { HelicorderError } from '../../engine/base/errors.ts';
import type { FileSystem } from '../../engine/files/file-system.ts';
import { nodeFileSystem } from '../../engine/files/node-file-system.ts';
import { eventRun } from '../../engine/store/write/group-plan.ts';
import { Store, systemEnvironment } from '../../engine/store/store.ts';
import { StoreWriter } from '../../engine/store/write/writer.ts';
import { verify } from '../../engine/tools/verify.ts';
import { helicorder, helicorderOut, nextOwner } from '../support/cli.ts';
import type { Program } from '../support/cli.ts';
import { count } from '../support/counts.ts';
import { FILE_SYSTEMS, LoopDisk, whyNoLoopDisk } from '../support/loop-disk.ts';
import { Pen, denseLine } from '../support/pen.ts';
import { SEED, SeededRandom } from '../support/random.ts';
import { checkSamples, parseRecords } from '../support/records.ts';
import { upkeepToTheEnd } from '../support/sealing.ts';
import { skipLoudly } from '../support/skip.ts';
import { openWriter, recordLines } from '../support/stores.ts';

const STREAMS = ['crash/box-0', 'crash/box-1'];
/**
 * What goes on when the power goes, in turns. What must be cut a hundred times on each file system
 * comes most often: recording and sealing.
 */
const LIVES = [
  ...(['recording', 'writing', 'sealing', 'recording', 'sealing', 'starting'] as const),
  ...(['recording', 'sealing', 'recording', 'sealing', 'recording', 'sealing'] as const),
];
/** In the soak 100 recordings and 100 sealings: two stores, as much as their disks hold. */
const [ROUNDS, CUTS] = process.env['HELICORDER_SOAK'] ? [2, 10 * LIVES.length] : [1, 10];
const LINES_PER_LIFE = 400;
/** A life of these lines fills a segment of 1 MiB, and more. */
const LINE_BYTES = 5000;
/** In about this time a recorder has started: moments are chosen from it. */
const START_MS = 800;
/** A follower at 1 kHz has seen so many records after about as many ms. */
const SEEN_MAX = 600;
/** A sealing makes about so many pauses. */
const PAUSES_MAX = 60;

const why = whyNoLoopDisk('mkfs.ext4', 'mkfs.xfs', 'xfs_io', 'losetup');
const testOnLoopDisk = skipLoudly(why !== undefined, `power cuts: ${why}`);

/** One store on one disk, over all its lives. */
class Victim {
  readonly disk: LoopDisk;
  readonly dir: string;
  readonly pen: Pen;
  readonly #random: SeededRandom;
  /** how long each stream of the recorder is known to be */
  readonly #lengths = new Map(STREAMS.map((stream) => [stream, 0]));
  /** everything that was started since the last cut */
  #programs: Program[] = [];
  #run: Program | undefined;
  #follower: { stream: string; program: Program } | undefined;

  constructor(disk: LoopDisk, seed: number) {
    this.disk = disk;
    this.#random = new SeededRandom(seed);
    this.dir = join(disk.dir, 'store');
    this.pen = new Pen(this.dir, denseLine(LINE_BYTES));
  }

  get #recorder(): string[] {
    return [
      ...['run', '--data-dir', this.dir, '--source', 'synthetic', '--count', '2'],
      ...['--stream', 'crash/box', '--flush-ms', '5', '--segment-size', '1MiB', '--quiet'],
    ];
  }

  /** A store in which both streams and the producer's are there. */
  async begin(): Promise<void> {
    mkdirSync(join(this.dir, 'chunks'), { recursive: true });
    await helicorderOut([...this.#recorder, '--duration', '50ms']);
    await this.pen.start(10);
    this.pen.program.endInput();
    expect((await this.pen.ended()).code).toBe(0);
    await this.check('the beginning');
  }

  /** Works until a moment that nobody chose, and then without power. */
  async liveAndDie(number: number): Promise<void> {
    await this.#live(LIVES[number % LIVES.length]!);
    this.disk.cutPower();
    await this.#end();
    this.disk.unmount();
    this.disk.mount();
  }

  #live(life: (typeof LIVES)[number]): Promise<void> {
    switch (life) {
      case 'recording':
        return this.#recording();
      case 'writing':
        return this.#writing();
      case 'sealing':
        return this.#sealing();
      case 'starting':
        return this.#starting();
    }
  }

  async #starting(): Promise<void> {
    this.#run = helicorder(this.#recorder);
    this.#programs.push(this.#run);
    await sleep(this.#random.next() * START_MS);
  }

  /** A producer that is the owner itself. */
  async #writing(): Promise<void> {
    await this.#startPen();
    await this.pen.acknowledgements(this.#random.below(LINES_PER_LIFE));
    await sleep(this.#random.next() * 5);
  }

  /** A recorder, a producer beside it and a follower. */
  async #recording(): Promise<void> {
    const isThere = nextOwner(this.dir, 'control');
    this.#run = helicorder(this.#recorder);
    this.#programs.push(this.#run);
    await isThere;
    const stream = STREAMS[this.#random.below(STREAMS.length)]!;
    const words = ['stream', 'cat', stream, '--data-dir', this.dir, '--follow'];
    const from = ['--from', String(this.#lengths.get(stream))];
    const program = helicorder([...words, ...from, '--format', 'ndjson-records']);
    this.#follower = { stream, program };
    this.#programs.push(program);
    await this.#startPen();
    const wanted = this.#random.below(SEEN_MAX);
    for (let seen = 0; seen <= wanted; seen++) await program.stdout.next();
    await sleep(this.#random.next() * 10);
  }

  /** An owner that seals what the others have left, and recycles; the cut comes in the middle. */
  async #sealing(): Promise<void> {
    let left = this.#random.below(PAUSES_MAX);
    const writer = openWriter(this.dir);
    try {
      await upkeepToTheEnd(writer, () => {
        if (left-- === 0) this.disk.cutPower();
        return Promise.resolve();
      });
    } catch (error) {
      // the end of the disk, and nothing else
      expect(String(error), `HELICORDER_SEED=${SEED}`).toMatch(/EIO/);
    } finally {
      writer.abandon();
    }
  }

  async #startPen(): Promise<void> {
    expect(await this.pen.start(LINES_PER_LIFE), this.pen.program.stderr.text).toBe(true);
    this.#programs.push(this.pen.program);
  }

  /** Mostly all die with the disk; sometimes a recorder is left to find out by itself. */
  async #end(): Promise<void> {
    if (this.#run && this.#follower && this.#random.below(3) === 0) {
      const { code, stderr } = await this.#run.ended;
      expect(code, stderr).toBe(74);
    }
    await Promise.all(this.#programs.map((program) => program.kill()));
    if (this.#programs.includes(this.pen.program)) await this.pen.ended();
    [this.#programs, this.#run] = [[], undefined];
  }

  /** Nothing acknowledged or seen is lost, nothing is doubled, everything is accounted for. */
  async check(where: string): Promise<void> {
    const about = `${where}, HELICORDER_SEED=${SEED}`;
    const [report] = await Promise.all([
      verify(this.dir),
      this.pen.check(where),
      this.#checkSeen(about),
    ]);
    expect(report.damage, about).toEqual([]);
    expect(report.ok, about).toBe(true);
    for (const { ticksScheduled, samples, gaps } of report.streams) {
      const gapTicks = gaps.reduce((sum, { ticks }) => sum + Number(ticks), 0);
      expect(Number(samples) + gapTicks, about).toBe(Number(ticksScheduled));
    }
  }

  async #checkSeen(about: string): Promise<void> {
    if (this.#follower === undefined) return;
    const { stream, program } = this.#follower;
    const kept = await recordLines(this.dir, stream, this.#lengths.get(stream)!);
    expect(kept.slice(0, program.stdout.all.length), about).toEqual(program.stdout.all);
    this.#lengths.set(stream, this.#lengths.get(stream)! + kept.length);
    this.#follower = undefined;
  }

  /** What no life has come to. */
  async seal(): Promise<void> {
    const writer = openWriter(this.dir);
    await upkeepToTheEnd(writer);
    writer.close();
    await this.check('the end');
  }

  /** The whole of both streams, once more. */
  async checkAll(): Promise<void> {
    for (const stream of STREAMS) {
      const records = parseRecords(await recordLines(this.dir, stream, 0));
      const { samples, gapTicks, scheduled, between } = checkSamples(records);
      expect(samples + gapTicks).toBe(scheduled);
      expect(between.filter(({ reason }) => reason === 'crash').length).toBeGreaterThan(0);
    }
  }
}

const STORES = FILE_SYSTEMS.flatMap((kind) =>
  Array.from({ length: ROUNDS }, (_, round) => ({ kind, round })),
);

describe.each(STORES)('$kind, store $round', ({ kind, round }) => {
  testOnLoopDisk(
    `${CUTS} power cuts: 0 acknowledged records lost, 0 doubled, no offset missing`,
    async () => {
      const victim = new Victim(new LoopDisk(kind), SEED + round);
      await victim.begin();
      for (let cut = 0; cut < CUTS; cut++) {
        await victim.liveAndDie(cut);
        count('power cuts');
        await victim.check(`${kind}, cut ${cut}`);
      }
      await victim.seal();
      await victim.checkAll();
      const chunks = readdirSync(join(victim.dir, 'chunks'));
      expect(chunks.length, 'segments were sealed').toBeGreaterThan(0);
      expect(existsSync(join(victim.dir, 'log', '0'.repeat(19) + '1.seg'))).toBe(false);
    },
    60_000 + 30_000 * CUTS,
  );
});

describe('the harness sees loss', () => {
  /** Durable writes that are not: acknowledged once they are in the page cache. */
  const lying: FileSystem = {
    ...nodeFileSystem,
    probeDirect: () => false,
    openDurable: (path) => {
      if (!nodeFileSystem.exists(path)) nodeFileSystem.open(path, 'create').close();
      const file = nodeFileSystem.open(path, 'write');
      const write = (block: Uint8Array, at: number): void => file.write(block, at);
      return { path, direct: false, write, close: () => file.close() };
    },
  };

  /** Appends one by one until the power is cut. @returns how many of those acknowledged are left */
  function survivors(disk: LoopDisk, fs: FileSystem): number {
    const dir = join(disk.dir, 'store');
    const environment = { ...systemEnvironment, segmentBytes: MIB };
    const writer = StoreWriter.open(dir, { ...environment, fs });
    const [run] = writer.beginRuns([eventRun('crash/lines', 'pen')]);
    for (let i = 0; i < ACKNOWLEDGED; i++) writer.appendEvents(run!, [Buffer.from(`line ${i}`)]);
    disk.cutPower();
    writer.abandon();
    disk.unmount();
    disk.mount();
    return recordsIn(dir);
  }

  /** None, too, if there is no store any more. */
  function recordsIn(dir: string): number {
    try {
      const store = Store.open(dir);
      const length = store.reader.state.streamNamed('crash/lines')?.nextOffset ?? 0;
      store.close();
      return length;
    } catch (error) {
      if (error instanceof HelicorderError) return 0;
      throw error;
    }
  }

  const ACKNOWLEDGED = 50;

  for (const kind of FILE_SYSTEMS) {
    testOnLoopDisk(`${kind}: a writer that acknowledges before the sync loses records`, () => {
      expect(survivors(new LoopDisk(kind), nodeFileSystem)).toBe(ACKNOWLEDGED);
      expect(survivors(new LoopDisk(kind), lying)).toBeLessThan(ACKNOWLEDGED);
    });
  }
});
