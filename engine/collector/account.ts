/** What the writer thread has made durable since it began: sums for the status, and latencies. */
import { NANOS_PER_MILLI } from '../base/constants.ts';
import { Histogram, RecentHistogram } from '../base/histogram.ts';
import type { DataItem } from '../store/entries/data-item.ts';
import type { Drained } from './group-spec.ts';

/** How many points stand for the rows of one drain, which lie evenly between first and last. */
const POINTS_MAX = 16;
/** Half of what counts as recent. */
const RECENT_MS = 10_000;
/** Finer than others: benchmarks take differences of it. */
const LATENCY_SUB_BITS = 7;

/** Sums since the start. */
export interface AccountStatus {
  samples: number;
  ticks: number;
  bytes: number;
  paddingBytes: number;
  gaps: { reason: string; gaps: number; ticks: number }[];
  commitMicros: { p50: number; p99: number; max: number };
  /** from the moment a sample was taken until it was durable */
  durableMicros: { p50: number; p99: number; max: number };
  /** the same, of the last 10 to 20 s */
  recentDurableMicros: { p50: number; p99: number; max: number };
}

export class Account {
  readonly #commits = new Histogram();
  readonly #latency = new Histogram(LATENCY_SUB_BITS);
  readonly #recent = new RecentHistogram(RECENT_MS, LATENCY_SUB_BITS);
  readonly #gaps = new Map<string, { gaps: number; ticks: number }>();
  readonly #sums = { samples: 0, ticks: 0, bytes: 0, paddingBytes: 0 };

  /**
   * One commit of what was drained.
   * @param micros that it took; in a backlog the next group was filled meanwhile
   * @param nowNanos monotonic, behind it
   */
  add(
    items: readonly DataItem[],
    drained: readonly Drained[],
    micros: number,
    nowNanos: bigint,
  ): void {
    this.#commits.add(micros);
    for (const item of items) this.#addItem(item);
    for (const rows of drained) this.#addLatency(Number(nowNanos), rows);
  }

  status(): AccountStatus {
    return {
      ...this.#sums,
      gaps: [...this.#gaps].map(([reason, sum]) => ({ reason, ...sum })),
      commitMicros: this.#commits.percentiles(),
      durableMicros: this.#latency.percentiles(),
      recentDurableMicros: this.#recent.percentiles(),
    };
  }

  #addItem(item: DataItem): void {
    this.#sums.samples += item.samples;
    this.#sums.bytes += item.bytes;
    this.#sums.paddingBytes += item.paddingBytes;
    this.#sums.ticks += item.ticks;
    for (const { reason, ticks } of item.gaps) this.#addGap(reason, ticks);
  }

  #addGap(reason: string, ticks: number): void {
    const sum = this.#gaps.get(reason) ?? { gaps: 0, ticks: 0 };
    this.#gaps.set(reason, { gaps: sum.gaps + 1, ticks: sum.ticks + ticks });
  }

  #addLatency(now: number, { rows, firstTimeNanos: first, lastTimeNanos: last }: Drained): void {
    const points = Math.min(rows, POINTS_MAX);
    for (let i = 0; i < points; i++) {
      const taken = points === 1 ? last : first + ((last - first) * i) / (points - 1);
      const micros = Math.max(0, now - taken) / 1000;
      this.#latency.add(micros, rows / points);
      this.#recent.add(now / NANOS_PER_MILLI, micros, rows / points);
    }
  }
}
