/** One reader's way through one stream, held against the oracle record by record. */
import { crc32 } from 'node:zlib';
import type { Reason } from '../../engine/batch/ledger.ts';
import type {
  EventsItem,
  GapItem,
  SamplesItem,
  StreamItem,
} from '../../engine/store/read/stream-item.ts';
import type { Oracle, StreamOracle } from './oracle.ts';

/** These say that nobody read the device. */
const NEVER_READ: ReadonlySet<Reason> = new Set(['late', 'overflow', 'full']);

export class Pass {
  readonly #oracle: Oracle;
  readonly #stream: StreamOracle;
  #nextOffset: number | undefined;
  #nextSeq: number | undefined;
  #epoch = 0;
  #boot = '';
  #period = 0n;
  #nextTick: number | undefined;
  /** the next of the stream's taken ticks that is not accounted for */
  #taken: number | undefined;
  /** what came before is unknown: a reading from the middle, or behind lost records */
  #isBlind = true;
  /** retired before this reading began */
  readonly #retiredEnd: number;

  /** To be made right when the reader has opened the store: what is retired by then stays so. */
  constructor(oracle: Oracle, stream: StreamOracle) {
    this.#oracle = oracle;
    this.#stream = stream;
    this.#retiredEnd = stream.retiredEnd;
  }

  /** The offset behind what was seen; undefined: nothing was. */
  get nextOffset(): number | undefined {
    return this.#nextOffset;
  }

  see(item: StreamItem): void {
    if (item.kind === 'fault')
      return this.#expect(this.#oracle.hasRot, `damage: ${item.fault.what}`);
    this.#follow(item);
    if (item.kind === 'samples') this.#samples(item);
    else if (item.kind === 'events') this.#events(item);
    else this.#gap(item);
    this.#oracle.counts.shown += item.records;
    this.#stream.durableEnd = Math.max(this.#stream.durableEnd, this.#nextOffset!);
  }

  /** A reader says that the stream ends here: so much is durable, and it is whole. */
  showEnd(nextOffset: number): void {
    this.#stream.durableEnd = Math.max(this.#stream.durableEnd, nextOffset);
    if (!this.#stream.isOpaque || this.#oracle.hasRot) return;
    const isWhole = this.#stream.isWhole(nextOffset);
    this.#expect(isWhole, `an append is seen by half, up to ${nextOffset}`);
  }

  /** It was a reading of everything, from the first record on. */
  end(): void {
    const { durableEnd, taken } = this.#stream;
    const end = this.#nextOffset ?? 0;
    const mayLose = this.#oracle.isLenient;
    this.#expect(end >= durableEnd || mayLose, `${durableEnd} records were durable, ${end} seen`);
    this.#skipTo(taken.length);
    if (!this.#isBlind) this.showEnd(end);
  }

  #expect(condition: boolean, what: string): void {
    if (!condition) throw new Error(`${this.#stream.name}: ${what}`);
  }

  #follow(item: Exclude<StreamItem, { kind: 'fault' }>): void {
    const { firstOffset, firstSeq, records, info } = item;
    const offset = this.#nextOffset ?? firstOffset;
    const seq = this.#nextSeq ?? firstSeq;
    this.#expect(firstOffset === offset, `expected offset ${offset}, found ${firstOffset}`);
    this.#expect(
      firstSeq === seq || this.#oracle.isLenient,
      `expected seq ${seq} at offset ${offset}, found ${firstSeq}`,
    );
    if (this.#nextOffset === undefined) this.#isBlind = firstOffset > 0;
    if (firstOffset === 0) this.#taken = 0;
    this.#nextOffset = firstOffset + records;
    this.#nextSeq = firstSeq + records;
    // the run of what is retired may be forgotten: a later one of its writer stands for it
    if (item.kind === 'gap' && item.reason === 'retired') return;
    this.#expect(info.run.epoch >= this.#epoch, `epoch ${info.run.epoch} behind ${this.#epoch}`);
    this.#epoch = info.run.epoch;
    if (info.run.bootId === this.#boot && info.run.periodNanos === this.#period) return;
    this.#boot = info.run.bootId;
    this.#period = info.run.periodNanos;
    this.#nextTick = undefined;
  }

  /** What stands at an offset never changes. */
  #digest(offset: number, seq: number, a: number, b = 0, c = 0): void {
    let digest = Math.imul(seq, 31) + (a % 2 ** 32);
    digest = Math.imul(digest, 31) + (b % 2 ** 32);
    digest = (Math.imul(digest, 31) + (c % 2 ** 32)) | 0;
    const before = this.#stream.shown[offset];
    this.#expect(before === undefined || before === digest, `offset ${offset} has changed`);
    this.#stream.shown[offset] = digest;
    const isBack = offset < this.#retiredEnd && !this.#oracle.isLenient;
    this.#expect(!isBack, `offset ${offset} was retired and is back`);
  }

  #account(offset: number, ticks: number, isSample = false): void {
    this.#stream.ticks[offset] = ticks;
    this.#stream.isSample[offset] = isSample;
  }

  #events({ events, firstOffset, firstSeq }: EventsItem): void {
    events.forEach((event, i) => {
      const offset = firstOffset + i;
      const crc = crc32(event);
      const known = this.#stream.events[offset];
      const isRight = known === undefined ? this.#stream.adopt(offset, crc) : known === crc;
      this.#expect(isRight, `a wrong event at offset ${offset}`);
      this.#digest(offset, firstSeq + i, crc);
      this.#account(offset, 0);
    });
    this.#isBlind = false;
  }

  #samples(item: SamplesItem): void {
    const { batch, firstOffset, firstSeq, records, firstTick, ticks } = item;
    this.#ticks(firstTick, ticks);
    let [gap, sample] = [0, 0];
    for (let i = 0; i < records; i++) {
      const next = batch.gaps[gap];
      if (next?.recordIndex === i) {
        this.#gapOfTicks(next.reason, next.firstTick, next.ticks);
        this.#digest(
          firstOffset + i,
          firstSeq + i,
          next.firstTick,
          next.ticks,
          codeOf(next.reason),
        );
        this.#account(firstOffset + i, next.ticks);
        gap++;
        continue;
      }
      this.#sample(item, sample);
      const nanos = Number(batch.timeNanos[sample]! & 0xffffffffn);
      this.#digest(firstOffset + i, firstSeq + i, batch.ticks[sample]!, nanos);
      this.#account(firstOffset + i, 1, true);
      sample++;
    }
    this.#expect(sample === batch.samples, 'records are samples and gaps');
  }

  #sample({ batch, info }: SamplesItem, index: number): void {
    const tick = batch.ticks[index]!;
    const { bootId } = info.run;
    batch.columns.forEach((column, channel) => {
      const wanted = this.#stream.valueOf!(bootId, tick, channel);
      const found = Number(column[index]);
      this.#expect(Object.is(found, wanted), `tick ${tick}: value ${found}, expected ${wanted}`);
    });
    const at = this.#find(bootId, tick);
    this.#skipTo(at);
    this.#expect(this.#stream.taken[at]!.isValid, `tick ${tick} was read, but the device failed`);
    this.#taken = at + 1;
    this.#isBlind = false;
  }

  #find(boot: string, tick: number): number {
    const { taken } = this.#stream;
    let at = this.#taken ?? 0;
    while (at < taken.length && (taken[at]!.tick !== tick || taken[at]!.boot !== boot)) at++;
    this.#expect(at < taken.length, `tick ${tick} was never taken, or is told twice`);
    return at;
  }

  /** Ticks that the reader did not see must not have been acknowledged. */
  #skipTo(end: number): void {
    const from = this.#taken ?? end;
    this.#taken = end;
    if (this.#isBlind) return;
    for (let i = from; i < end; i++) {
      const { tick, isAcknowledged } = this.#stream.taken[i]!;
      this.#expect(!isAcknowledged || this.#oracle.isLenient, `tick ${tick} is lost`);
    }
  }

  #ticks(first: number, count: number): void {
    const expected = this.#nextTick ?? first;
    this.#expect(
      first === expected || this.#oracle.isLenient,
      `expected tick ${expected}, found ${first}`,
    );
    this.#nextTick = first + count;
  }

  /** A gap within or between runs whose ticks are known: is its reason true? */
  #gapOfTicks(reason: Reason, first: number, count: number): void {
    const { taken } = this.#stream;
    let at = this.#taken;
    if (at === undefined) return;
    const isHere = (i: number): boolean => taken[i]?.boot === this.#boot;
    while (at < taken.length && !(isHere(at) && taken[at]!.tick >= first)) at++;
    if (at === taken.length) return;
    this.#skipTo(at);
    for (; isHere(at) && taken[at]!.tick < first + count; at++) {
      const { tick, isValid, isAcknowledged, isLetGo } = taken[at]!;
      if (reason === 'device') this.#expect(!isValid, `tick ${tick} is called gap(device)`);
      else if (reason !== 'corrupt') {
        const wasRead = !NEVER_READ.has(reason) || (reason === 'full' && isLetGo);
        const isTrue = wasRead && !isAcknowledged;
        this.#expect(isTrue || this.#oracle.isLenient, `tick ${tick} is called gap(${reason})`);
      }
    }
    this.#taken = at;
  }

  #gap({ reason, ticks, firstOffset, firstSeq, records }: GapItem): void {
    if (reason === 'corrupt') return this.#corrupt(firstOffset, records, ticks);
    if (reason === 'retired') return this.#retired(firstOffset, records, ticks);
    this.#expect(records === 1, 'a gap that was written is one record');
    this.#digest(firstOffset, firstSeq, ticks?.first ?? -1, ticks?.count ?? -1, codeOf(reason));
    this.#account(firstOffset, ticks?.count ?? 0);
    if (ticks === undefined) this.#nextTick = undefined;
    else {
      this.#ticks(ticks.first, ticks.count);
      this.#gapOfTicks(reason, ticks.first, ticks.count);
    }
  }

  #corrupt(first: number, records: number, ticks: GapItem['ticks']): void {
    for (let offset = first; offset < first + records; offset++) {
      const isAllowed = this.#oracle.isLenient || this.#stream.rotten.has(offset);
      this.#expect(isAllowed, `gap(corrupt) at offset ${offset}`);
      this.#oracle.counts.lost++;
      this.#account(offset, NaN);
    }
    this.#nextTick = ticks && this.#nextTick !== undefined ? ticks.first + ticks.count : undefined;
    this.#isBlind = true;
  }

  /** All there was up to a low-water mark; or, to a reader on its way there, the rest of it. */
  #retired(first: number, records: number, ticks: GapItem['ticks']): void {
    const end = first + records;
    const planned = this.#stream.trims.get(end);
    const isKnown = planned !== undefined || this.#oracle.isLenient;
    this.#expect(isKnown, `${first} to ${end} were retired, and nobody has let go of them`);
    const isAgain = end < this.#retiredEnd && !this.#oracle.isLenient;
    this.#expect(!isAgain, `retired up to ${this.#retiredEnd}, told of ${end}`);
    const isExact = first > 0 || !planned || isNaN(planned.ticks) || this.#stream.isOpaque;
    const count = ticks?.count;
    this.#expect(
      isExact || count === planned.ticks,
      `${count} ticks retired, not ${planned?.ticks}`,
    );
    this.#oracle.counts.retired += records;
    this.#boot = '';
    this.#nextTick = undefined;
    this.#taken = undefined;
    this.#isBlind = true;
  }
}

function codeOf(reason: Reason): number {
  return reason.length * 256 + reason.charCodeAt(0);
}
