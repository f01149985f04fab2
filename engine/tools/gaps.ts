/**
 * The account of a stream's ticks: scheduled = samples + gaps, every gap with its reason, how
 * regular the samples came (Δt) and how late they were taken.
 *
 * The balance is checked twice: each batch's own ledger, and from batch to batch: within one
 * schedule (boot, t0, period) the first tick of each must follow the last tick of the one before.
 */
import { NANOS_PER_SECOND } from '../base/constants.ts';
import { Histogram } from '../base/histogram.ts';
import type { ReadOptions, Store } from '../store/store.ts';
import type { GapItem, SamplesItem } from '../store/read/stream-item.ts';
import type { RunEntry } from '../store/entries/control-entries.ts';
import { stringOrNull } from './describe.ts';
import { Succession, type Follows } from './succession.ts';
import type { GapReport, GapsReport, Quantiles } from './types.ts';

interface Gap {
  reason: string;
  firstOffset: number;
  ticks: { first: number; count: number } | undefined;
  seconds: { exact: number } | { min: number; max: number } | undefined;
}

/** Of one reason. */
interface GapSum {
  gaps: number;
  ticks: number;
  /** not all of them are known in ticks */
  isPartial: boolean;
}

/**
 * Some of a stream's gaps, in their order: none only where it has none at all. The `rest` of the
 * report comes with the last of them.
 */
export interface GapsPiece {
  gaps: GapReport[];
  rest?: Omit<GapsReport, 'gaps'>;
}

/** How many gaps a piece has, or somewhat more: there may be millions. */
const PIECE_GAPS = 1000;

/** Quantiles at most 0.8 % above the truth: a period of 1 ms prints as one. */
const QUANTILE_SUB_BITS = 7;

/**
 * Ticks of one stream, item by item. Also used by `verify`. Samples that a copy has left out are no
 * loss and may be most of a stream: they are summed up, and not listed.
 */
export class TickAccount {
  scheduled = 0;
  samples = 0;
  gapTicks = 0;
  readonly imbalances: string[] = [];
  readonly #sums = new Map<string, GapSum>();
  readonly #filtered: GapSum = { gaps: 0, ticks: 0, isPartial: false };
  #filteredEnd: number | undefined;
  /** the last run of each writer, and the tick that is due in it */
  readonly #due = new Map<string, { run: RunEntry; tick: number }>();
  /** neighbours may still join it */
  #last: Gap | undefined;
  readonly #onGap: (gap: Gap) => void;

  /** @param onGap told of each gap once it is whole, in their order */
  constructor(onGap: (gap: Gap) => void = () => {}) {
    this.#onGap = onGap;
  }

  /** @param follows a seam of copies is one of ticks too */
  add(item: SamplesItem | GapItem, follows: Follows): void {
    const ticks =
      item.kind === 'samples' ? { first: item.firstTick, count: item.ticks } : item.ticks;
    this.#follow(item, ticks, follows);
    if (item.kind === 'gap') this.#addGap(item);
    else this.#addBatch(item);
  }

  /** What comes next does not follow what came last: nobody asked for the records between. */
  skip(): void {
    this.#due.clear();
  }

  get balanced(): boolean {
    return this.imbalances.length === 0 && this.scheduled === this.samples + this.gapTicks;
  }

  #follow(item: SamplesItem | GapItem, ticks: Gap['ticks'], follows: Follows): void {
    const { run } = item.info;
    if (follows === 'unknown') this.skip();
    const due = this.#due.get(run.writer);
    this.#due.delete(run.writer);
    if (ticks === undefined) return;
    const { first, count } = ticks;
    this.scheduled += count;
    if (due && first !== due.tick && follows !== 'seam' && sameSchedule(due.run, run)) {
      const place = `at offset ${item.firstOffset}`;
      this.imbalances.push(`${place}: expected tick ${due.tick}, found ${first}`);
    }
    // what is retired may span several schedules: only how many ticks it had is known
    const isRetired = item.kind === 'gap' && item.reason === 'retired';
    if (!isRetired) this.#due.set(run.writer, { run, tick: first + count });
  }

  #addBatch({ batch, ticks, firstOffset, info }: SamplesItem): void {
    this.samples += batch.samples;
    let gapTicks = 0;
    for (const { reason, firstTick, ticks: count, nanos, recordIndex } of batch.gaps) {
      gapTicks += count;
      if (reason === 'filtered') {
        this.#addFiltered(firstTick, count);
        continue;
      }
      const seconds = nanos > 0n ? { exact: Number(nanos) / NANOS_PER_SECOND } : undefined;
      this.#list(info.run, {
        reason,
        firstOffset: firstOffset + recordIndex,
        ticks: { first: firstTick, count },
        seconds,
      });
    }
    this.gapTicks += gapTicks;
    if (ticks !== batch.samples + gapTicks) {
      this.imbalances.push(
        `at offset ${firstOffset}: ${ticks} ticks scheduled, ${batch.samples} samples, ${gapTicks} in gaps`,
      );
    }
  }

  #addGap({ reason, firstOffset, ticks, bounds, info }: GapItem): void {
    this.gapTicks += ticks?.count ?? 0;
    if (reason === 'filtered') return this.#addFiltered(ticks?.first ?? 0, ticks?.count ?? 0);
    const seconds = bounds && {
      min: Number(bounds.minNanos) / NANOS_PER_SECOND,
      max: Number(bounds.maxNanos) / NANOS_PER_SECOND,
    };
    this.#list(info.run, { reason, firstOffset, ticks, seconds });
  }

  /** Neighbours are one, however batches cut them. */
  #addFiltered(first: number, count: number): void {
    if (count === 0 || first !== this.#filteredEnd) this.#filtered.gaps++;
    this.#filtered.ticks += count;
    this.#filteredEnd = first + count;
  }

  /** Per reason, in the order in which they came; those left out by a copy last. */
  byReason(): [string, Readonly<GapSum>][] {
    const filtered: [string, GapSum][] =
      this.#filtered.gaps > 0 ? [['filtered', this.#filtered]] : [];
    return [...this.#sums, ...filtered];
  }

  /** There are no more: the last gap is whole, too. */
  end(): void {
    if (this.#last) this.#onGap(this.#last);
    this.#last = undefined;
  }

  /** Neighbours of one reason are one gap to a user, however flushes cut them. */
  #list(run: RunEntry, gap: Gap): void {
    const last = this.#last;
    const joins =
      last?.reason === gap.reason &&
      last.ticks !== undefined &&
      gap.ticks !== undefined &&
      last.ticks.first + last.ticks.count === gap.ticks.first &&
      gap.ticks.count > 0;
    this.#sum(gap, joins);
    const period = Number(run.periodNanos) / NANOS_PER_SECOND;
    const count = (gap.ticks?.count ?? 0) + (joins ? last.ticks!.count : 0);
    const seconds = gap.seconds ?? (gap.ticks ? { exact: count * period } : undefined);
    if (joins) {
      this.#last = { ...last, ticks: { first: last.ticks!.first, count }, seconds };
    } else {
      this.end();
      this.#last = { ...gap, seconds };
    }
  }

  #sum({ reason, ticks }: Gap, joins: boolean): void {
    const sum = this.#sums.get(reason) ?? { gaps: 0, ticks: 0, isPartial: false };
    this.#sums.set(reason, sum);
    sum.gaps += joins ? 0 : 1;
    sum.ticks += ticks?.count ?? 0;
    sum.isPartial ||= ticks === undefined;
  }
}

function sameSchedule(a: RunEntry, b: RunEntry): boolean {
  return a.bootId === b.bootId && a.t0Nanos === b.t0Nanos && a.periodNanos === b.periodNanos;
}

/**
 * @param times of a range, what is stored together with one of its samples counts as a whole, so
 * that the sum can be checked: the report says from when to when its samples really are
 * @throws NO_SUCH_STREAM
 */
export async function gaps(
  store: Store,
  name: string,
  times: Pick<ReadOptions, 'fromTime' | 'toTime'> = {},
): Promise<GapsReport> {
  const all: GapReport[] = [];
  for await (const { gaps: some, rest } of gapPieces(store, name, times)) {
    for (const gap of some) all.push(gap);
    if (rest) return { ...rest, gaps: all };
  }
  throw new Error('the last piece has the rest of the report');
}

/** The same in bounded memory, however many gaps there are. */
export async function* gapPieces(
  store: Store,
  name: string,
  times: Pick<ReadOptions, 'fromTime' | 'toTime'> = {},
): AsyncGenerator<GapsPiece> {
  let piece: GapReport[] = [];
  const account = new TickAccount((gap) => piece.push(reportOf(gap)));
  const pace = new Pace();
  const succession = new Succession();
  let run: RunEntry | undefined;
  let nextOffset = 0;
  for await (const item of store.read(name, times)) {
    if (item.kind !== 'samples' && item.kind !== 'gap') continue;
    if (item.firstOffset !== nextOffset) [succession, account, pace].forEach((one) => one.skip());
    nextOffset = item.firstOffset + item.records;
    run = item.info.run;
    const follows = succession.take(item);
    if (follows === 'seam') pace.skip();
    account.add(item, follows);
    pace.add(item);
    // the last gap, which neighbours may join, is not among them: there is one for the last piece
    if (piece.length < PIECE_GAPS) continue;
    yield { gaps: piece };
    piece = [];
  }
  account.end();
  yield { gaps: piece, rest: restOf(name, account, pace, run) };
}

function restOf(
  stream: string,
  account: TickAccount,
  pace: Pace,
  run: RunEntry | undefined,
): Omit<GapsReport, 'gaps'> {
  return {
    stream,
    firstTimestampNanos: stringOrNull(pace.firstNanos),
    lastTimestampNanos: stringOrNull(pace.lastNanos),
    ticksScheduled: String(account.scheduled),
    samples: String(account.samples),
    gapTicks: String(account.gapTicks),
    balanced: account.balanced,
    imbalances: account.imbalances,
    gapsByReason: account.byReason().map(([reason, { gaps: count, ticks }]) => {
      return { reason, gaps: count, ticks: String(ticks) };
    }),
    nominalHz: run && run.periodNanos > 0n ? NANOS_PER_SECOND / Number(run.periodNanos) : null,
    measuredHz: pace.hertz,
    deltaMicros: quantiles(pace.delta),
    latenessMicros: quantiles(pace.lateness),
  };
}

/**
 * How regularly samples came: Δt between neighbours of one run, and the rate over all of them. By
 * the monotonic clock, which ticks and lateness are of: the wall clock may be set in between.
 */
class Pace {
  readonly delta = new Histogram(QUANTILE_SUB_BITS);
  readonly lateness = new Histogram(QUANTILE_SUB_BITS);
  #intervals = 0;
  #nanos = 0;
  /** UTC ns of all samples; undefined: there is none */
  firstNanos: bigint | undefined;
  lastNanos: bigint | undefined;
  /** the sample before, and the run it is of */
  #last: { run: number; tick: number; lateNanos: number } | undefined;

  /** @returns null: there are no two neighbours */
  get hertz(): number | null {
    return this.#nanos > 0 ? (this.#intervals * NANOS_PER_SECOND) / this.#nanos : null;
  }

  add(item: SamplesItem | GapItem): void {
    if (item.kind === 'samples') return this.#measure(item);
    // there were samples, at times that nobody knows any more
    if (item.reason === 'retired' || item.reason === 'corrupt') this.skip();
  }

  /** The next sample has no neighbour before it. */
  skip(): void {
    this.#last = undefined;
  }

  #measure({ batch, info }: SamplesItem): void {
    const { samples, ticks, latenessNanos, timeNanos } = batch;
    if (samples === 0) return;
    const run = info.run.id;
    const period = Number(info.run.periodNanos);
    let last = this.#last?.run === run ? this.#last : undefined;
    for (let i = 0; i < samples; i++) {
      const [tick, lateNanos] = [ticks[i]!, latenessNanos[i]!];
      this.lateness.add(lateNanos);
      if (last) this.#addStep((tick - last.tick) * period + lateNanos - last.lateNanos);
      last = { run, tick, lateNanos };
    }
    this.#last = last;
    this.#cover(timeNanos[0]!, timeNanos.at(-1)!);
  }

  #cover(first: bigint, last: bigint): void {
    if (this.firstNanos === undefined || first < this.firstNanos) this.firstNanos = first;
    if (this.lastNanos === undefined || last > this.lastNanos) this.lastNanos = last;
  }

  #addStep(nanos: number): void {
    this.delta.add(Math.max(0, nanos));
    this.#intervals++;
    this.#nanos += nanos;
  }
}

function reportOf(gap: Gap): GapReport {
  const { reason, firstOffset, ticks, seconds } = gap;
  const exact = seconds && 'exact' in seconds ? seconds.exact : null;
  const bounds = seconds && 'min' in seconds ? seconds : null;
  return {
    reason,
    firstOffset: String(firstOffset),
    firstTick: ticks ? String(ticks.first) : null,
    ticks: ticks ? String(ticks.count) : null,
    seconds: exact,
    minSeconds: bounds?.min ?? null,
    maxSeconds: bounds?.max ?? null,
  };
}

function quantiles(histogram: Histogram): Quantiles | null {
  if (histogram.count === 0) return null;
  const micros = (nanos: number): number => nanos / 1000;
  return {
    min: micros(histogram.min),
    p50: micros(histogram.quantile(0.5)),
    p99: micros(histogram.quantile(0.99)),
    p999: micros(histogram.quantile(0.999)),
    max: micros(histogram.max),
  };
}
