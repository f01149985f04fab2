/**
 * A group that only goes on: a times entry, and behind it the next batch of each stream of an open
 * lane (`join.ts`), or several such flushes of several lanes. Nearly every group is one, and at
 * 1024 sources a hundred come per second, with a thousand batches each: they are held against
 * their lanes and taken in where they lie, without an object for any of them. The smallest surprise
 * (a gap of one stream, another run, an entry of another kind, damage) leaves the group to
 * `dataItems`, which looks at each entry by itself.
 */
import { BatchHead } from '../../batch/batch-head.ts';
import { SharedTimes } from '../entries/data.ts';
import type { Entries, EntryView } from '../entries/entries.ts';
import { KIND } from '../entries/format.ts';
import type { Lane } from './join.ts';

type Numbers = Uint32Array<ArrayBuffer>;

const FIRST_BATCHES = 1024;

/** What one lane gets of the flush. */
interface Share {
  times: SharedTimes;
  lane: Lane | undefined;
  batches: number;
  /** where what is noted of its batches and columns begins */
  firstBatch: number;
  firstColumn: number;
}

export class NextFlush {
  readonly #laneOf: (stream: number) => Lane | undefined;
  readonly #head = new BatchHead();
  #payloads: Uint8Array = new Uint8Array(0);
  #shares: Share[] = [];
  /** as in FlushColumns, for all shares */
  #starts = new Uint32Array(FIRST_BATCHES);
  #batches = 0;
  #heads = new Uint32Array(FIRST_BATCHES);
  #columns = 0;

  /** @param laneOf the open lane that a stream is in */
  constructor(laneOf: (stream: number) => Lane | undefined) {
    this.#laneOf = laneOf;
  }

  /** Looks at a group, and changes nothing. @returns is it what comes next, all of it? */
  read(entries: Entries): boolean {
    this.#shares = [];
    this.#batches = 0;
    this.#columns = 0;
    for (const view = entries.view(); view.next();) {
      if (this.#shares.length === 0) this.#payloads = view.bytes;
      if (!view.isIntact() || !this.#isDue(view)) return false;
    }
    return this.#shares.length > 0 && this.#isLastWhole();
  }

  /** Gives the lanes what was read. @returns those that have gone on */
  take(): Lane[] {
    return this.#shares.map(({ lane, times, firstBatch, firstColumn }) => {
      const starts = this.#starts.subarray(firstBatch);
      const heads = this.#heads.subarray(firstColumn);
      lane!.goOn(times, { payloads: this.#payloads, starts, heads });
      return lane!;
    });
  }

  #isDue(view: EntryView): boolean {
    if (view.kind === KIND.batch) return this.#isNextBatch(view);
    return view.kind === KIND.times && this.#isLastWhole() && this.#begins(view);
  }

  #begins(view: EntryView): boolean {
    try {
      const times = new SharedTimes(view.entry());
      const place = { firstBatch: this.#batches, firstColumn: this.#columns };
      this.#shares.push({ times, lane: undefined, batches: 0, ...place });
      // a column of times that cannot be read is found here
      return times.times.rows > 0 && times.whole.first <= times.whole.last;
    } catch {
      return false;
    }
  }

  #isNextBatch({ stream, bytes, start, length }: EntryView): boolean {
    const share = this.#shares.at(-1);
    const head = this.#head;
    if (!share || bytes !== this.#payloads || !head.read(bytes, start, length)) return false;
    if (share.batches === 0) share.lane = this.#laneOf(stream);
    const { lane, times } = share;
    if (!lane || (share.batches === 0 && !lane.isNext(times.times))) return false;
    if (!lane.isDue(share.batches++, stream, head)) return false;
    if (head.timesDistance !== share.batches || head.samples !== times.times.rows) return false;
    this.#note();
    return true;
  }

  #isLastWhole(): boolean {
    const last = this.#shares.at(-1);
    return last === undefined || last.batches === last.lane?.members.length;
  }

  #note(): void {
    const { columns, columnHeads, columnsStart } = this.#head;
    this.#starts = withRoom(this.#starts, this.#batches + 1);
    this.#heads = withRoom(this.#heads, this.#columns + columns);
    this.#starts[this.#batches++] = columnsStart;
    for (let i = 0; i < columns; i++) this.#heads[this.#columns++] = columnHeads[i]!;
  }
}

function withRoom(numbers: Numbers, count: number): Numbers {
  if (count <= numbers.length) return numbers;
  const larger = new Uint32Array(2 * count);
  larger.set(numbers);
  return larger;
}
