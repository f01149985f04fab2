/**
 * Groups that only go on are sealed where they lie, and nothing shows it: the chunk is, byte for
 * byte, the one that looking at each entry by itself makes.
 */
import { expect, test, vi } from 'vitest';
import { encodeSamples, type SourceRows } from '../../../engine/batch/samples.ts';
import type { Channel, ChannelType } from '../../../engine/batch/schema.ts';
import { MIB } from '../../../engine/base/constants.ts';
import { BlockBuilder } from '../../../engine/store/chunks/blocks.ts';
import { sealSegments } from '../../../engine/store/chunks/sealer.ts';
import { KIND, makeLsn, segmentOf } from '../../../engine/store/entries/format.ts';
import { systemEnvironment } from '../../../engine/store/store.ts';
import { StoreWriter, type OpenedRun } from '../../../engine/store/write/writer.ts';
import { SeededRandom } from '../../support/random.ts';
import { sealContext } from '../../support/sealing.ts';
import { SimulatedFileSystem } from '../../support/simulated-file-system.ts';
import { PERIOD_NANOS, beginEvents, bytes } from '../../support/stores.ts';

const DIR = '/store';
/** Of each rate group's sources: the types of their channels. */
const GROUPS: ChannelType[][][] = [[['i16', 'i16', 'u64'], ['f32'], ['i64']], [['i32', 'f64']]];
const FLUSHES = 200;

interface Source {
  channels: Channel[];
  opened: OpenedRun;
}

/** Streams of rate groups, filled by flushes of which few are not like the one before. */
class Recording {
  readonly fs = new SimulatedFileSystem();
  readonly writer: StoreWriter;
  readonly #random: SeededRandom;
  #groups: Source[][] = [];
  readonly #ticks = GROUPS.map(() => 0);
  readonly #events: OpenedRun;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    const environment = { ...systemEnvironment, fs: this.fs, random: new SeededRandom(2) };
    this.writer = StoreWriter.open(DIR, { ...environment, segmentBytes: MIB });
    this.#events = beginEvents(this.writer);
    this.#beginRuns();
  }

  #beginRuns(): void {
    this.#groups = GROUPS.map((sources, group) =>
      sources.map((types, source) => {
        const channels = types.map((type, i) => {
          return { name: `c${i}`, type, unit: '1', scale: 1, offset: 0 };
        });
        const schema = { kind: 'samples' as const, channels };
        const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
        const of = { stream: `test/${group}-${source}`, writer: 'w', samplesPerEvent: 10 };
        const [opened] = this.writer.beginRuns([{ ...of, schema, ...schedule, attributes: [] }]);
        return { channels, opened: opened! };
      }),
    );
  }

  flush(): void {
    if (this.#random.below(50) === 0) this.#beginRuns();
    const builder = this.writer.group();
    for (const [group, sources] of this.#groups.entries()) {
      if (this.#random.below(10) === 0) continue;
      const [times, ...batches] = encodeSamples(this.#rows(group, sources));
      builder.add(KIND.times, 0, times!);
      for (const [i, batch] of batches.entries()) {
        builder.add(KIND.batch, sources[i]!.opened.stream.id, batch);
      }
    }
    if (!builder.isEmpty) this.writer.commit(builder);
    if (this.#random.below(15) === 0) this.writer.appendEvents(this.#events, [bytes('between')]);
  }

  #rows(group: number, sources: Source[]): Parameters<typeof encodeSamples>[0] {
    const random = this.#random;
    const count = 1 + random.below(12);
    const firstTick = this.#ticks[group]!;
    const missed = random.below(8) === 0 ? 1 + random.below(3) : 0;
    this.#ticks[group] = firstTick + count + missed;
    const rowsBefore = random.below(count + 1);
    const tickOf = (row: number): number => firstTick + row + (row >= rowsBefore ? missed : 0);
    const timesNanos = BigInt64Array.from({ length: count }, (_, row) => {
      return BigInt(tickOf(row)) * PERIOD_NANOS + BigInt(random.below(60_000));
    });
    const gap = { rowsBefore, reason: 'late' as const, ticks: missed, nanos: 0n };
    const schedule = { t0Nanos: 0n, periodNanos: PERIOD_NANOS, resolutionNanos: 1n };
    const gaps = missed > 0 ? [gap] : [];
    const rows = sources.map((source) => this.#sourceRows(source, count));
    return { ...schedule, utcOffsetNanos: 0n, firstTick, timesNanos, gaps, sources: rows };
  }

  #sourceRows({ channels, opened: { run, stream } }: Source, count: number): SourceRows {
    const random = this.#random;
    const valid = Array.from({ length: count }, () => random.below(150) > 0);
    const columns = channels.map(({ type }) => {
      const values = Array.from({ length: count }, () => random.below(1000));
      if (type === 'i64') return BigInt64Array.from(values, BigInt);
      if (type === 'u64') return BigUint64Array.from(values, BigInt);
      // now and then what only the codec `raw` takes
      const isWild = type[0] === 'f' && random.below(5) === 0;
      return Float64Array.from(values, (value) => (isWild ? Math.fround(value / 7) : value));
    });
    const { nextSeq, ordinal } = run;
    const cursor = { run: run.id, nextSeq, nextOffset: stream.nextOffset, ordinal };
    return { channels, columns, valid, cursor };
  }
}

async function seal({ fs, writer }: Recording): Promise<Uint8Array> {
  const context = sealContext(fs, writer);
  const range = { first: makeLsn(1, 0), end: makeLsn(segmentOf(writer.durableEnd), 0) };
  await sealSegments(context, range);
  const [name] = fs.list(writer.paths.chunks);
  return fs.readFile(`${writer.paths.chunks}/${name}`);
}

test.each(Array.from({ length: 12 }, (_, i) => i + 1))(
  'the chunk is the same, whether groups are sealed whole or entry by entry (seed %i)',
  async (seed) => {
    const recording = new Recording(seed);
    for (let i = 0; i < FLUSHES; i++) recording.flush();
    const before = segmentOf(recording.writer.durableEnd);
    while (segmentOf(recording.writer.durableEnd) === before) recording.flush();

    const goOn = vi.spyOn(BlockBuilder.prototype, 'goOn');
    const whole = await seal(recording);
    const taken = goOn.mock.results.map(({ value }) => value as boolean);
    goOn.mockRestore();
    expect(taken.filter(Boolean).length).toBeGreaterThan(FLUSHES / 10);
    expect(taken.filter((isWhole) => !isWhole).length).toBeGreaterThan(FLUSHES / 10);

    // where anything is lost for good, each entry is looked at
    const { losses } = recording.writer.state;
    losses.pin({ stream: 99, run: 1, firstSeq: 1, firstOffset: 0, records: 1 });
    expect(Buffer.from(await seal(recording)).equals(whole)).toBe(true);
    recording.writer.abandon();
  },
);
