/**
 * The records of two streams held against each other one by one, tens of millions in a minute: as
 * parts of consecutive records, each with its columns, ticks, times and lateness as arrays, however
 * batches, segments and chunks cut them. A sample, a gap and a sample that a copy has left out are
 * one record each; all of them carry the run that first wrote them.
 */
import { originRun, type RunEntry } from '../../engine/store/entries/control-entries.ts';
import { Store } from '../../engine/store/store.ts';
import type { GapItem, RecordItem, SamplesItem } from '../../engine/store/read/stream-item.ts';
import { DERIVED } from '../../engine/txn/piece.ts';

type Values = Float64Array | BigInt64Array | BigUint64Array;

interface Range {
  /** the run as it was first written, as a text */
  origin: string;
  seq: number;
  offset: number;
  records: number;
}

export interface SamplesPart extends Range {
  kind: 'samples';
  /** ticks, times, lateness, and a column per channel: a value per record in each */
  arrays: Values[];
}

/** Samples that a copy has left out: their ticks follow each other. */
interface LeftPart extends Range {
  kind: 'left';
  tick: number;
}

interface GapPart extends Range {
  kind: 'gap';
  text: string;
  reason: string;
  ticks: number;
}

export type Part = SamplesPart | LeftPart | GapPart;

const TICKS = 0;
const COLUMNS = 3;
/** From so many values on one comparison of memory is cheaper than one of each. */
const WORTH_A_VIEW = 32;

/** All records of a stream, item by item; the arrays of a part live until the next is asked for. */
export async function* partsOf(dir: string, stream: string): AsyncGenerator<Part[]> {
  const store = Store.open(dir);
  const origins = new Map<number, string>();
  try {
    for await (const item of store.read(stream, { reuseArrays: true })) {
      if (item.kind === 'fault') throw new Error(`${stream}: ${item.fault.what}`);
      const { run } = item.info;
      const origin = origins.get(run.id) ?? originText(run, item.info.schema);
      origins.set(run.id, origin);
      yield partsIn(item, origin);
    }
  } finally {
    store.close();
  }
}

/** Of a derived copy the same as of what it was derived from. */
function originText(run: RunEntry, schema: unknown): string {
  const { writer, epoch, firstSeq, bootId, t0Nanos, periodNanos, resolutionNanos } = run;
  const { clock, kernelClock } = run;
  const attributes = run.attributes.filter(([name]) => name !== DERIVED);
  const schedule = { bootId, t0Nanos, periodNanos, resolutionNanos, clock, kernelClock };
  const facts = { run: originRun(run), writer, epoch, firstSeq, ...schedule, attributes, schema };
  return textOf(facts);
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? String(part) : part,
  );
}

function partsIn(item: RecordItem, origin: string): Part[] {
  if (item.kind === 'events') throw new Error('samples were expected');
  const { firstSeq: seq, firstOffset: offset, records } = item;
  const range = { origin, seq, offset, records };
  return item.kind === 'gap' ? [gapPart(item, range)] : partsOfBatch(item, range);
}

function gapPart({ reason, ticks, bounds }: GapItem, range: Range): Part {
  if (reason === 'filtered') return { ...range, kind: 'left', tick: ticks!.first };
  const text = textOf({ reason, ticks, bounds });
  return { ...range, kind: 'gap', text, reason, ticks: ticks?.count ?? 0 };
}

function partsOfBatch({ batch }: SamplesItem, whole: Range): Part[] {
  const parts: Part[] = [];
  const { ticks, timeNanos, latenessNanos, columns, gaps, samples } = batch;
  const arrays: Values[] = [ticks, timeNanos, latenessNanos, ...columns];
  let [record, sample] = [0, 0];
  const take = (records: number): Range => {
    const range = { ...whole, seq: whole.seq + record, offset: whole.offset + record, records };
    record += records;
    return range;
  };
  const addSamples = (end: number): void => {
    if (end === sample) return;
    const own = arrays.map((array) => array.subarray(sample, end));
    parts.push({ kind: 'samples', ...take(end - sample), arrays: own });
    sample = end;
  };
  for (const { samplesBefore, reason, firstTick, ticks: count, nanos } of gaps) {
    addSamples(samplesBefore);
    if (reason === 'filtered') parts.push({ kind: 'left', ...take(count), tick: firstTick });
    else {
      const text = textOf({ reason, firstTick, count, nanos });
      parts.push({ kind: 'gap', ...take(1), text, reason, ticks: count });
    }
  }
  addSamples(samples);
  return parts;
}

/** What a copy makes of parts that keeps only samples whose value in a channel is accepted. */
export async function* filtered(
  all: AsyncIterable<Part[]>,
  channel: number,
  keeps: (raw: number) => boolean,
): AsyncGenerator<Part[]> {
  for await (const parts of all) {
    yield parts.flatMap((part) => (part.kind === 'samples' ? split(part, channel, keeps) : [part]));
  }
}

function split(part: SamplesPart, channel: number, keeps: (raw: number) => boolean): Part[] {
  const { arrays, records } = part;
  const column = arrays[COLUMNS + channel]!;
  const parts: Part[] = [];
  for (let from = 0; from < records;) {
    const isKept = keeps(Number(column[from]));
    let end = from + 1;
    while (end < records && keeps(Number(column[end])) === isKept) end++;
    const range = { origin: part.origin, seq: part.seq + from, offset: part.offset + from };
    const some = { ...range, records: end - from };
    if (isKept) {
      const own = arrays.map((array) => array.subarray(from, end));
      parts.push({ kind: 'samples', ...some, arrays: own });
    } else parts.push({ kind: 'left', ...some, tick: Number(arrays[TICKS]![from]) });
    from = end;
  }
  return parts;
}

/** What was compared, and found to be the same. */
export interface Same {
  records: number;
  samples: number;
  /** per reason, ticks */
  gapTicks: Map<string, number>;
}

/** @throws naming the first record that is not the same on both sides */
export async function expectSameRecords(
  expected: AsyncIterator<Part[]>,
  found: AsyncIterator<Part[]>,
  where: string,
): Promise<Same> {
  const [there, here] = [new Side(expected), new Side(found)];
  const same: Same = { records: 0, samples: 0, gapTicks: new Map() };
  for (;;) {
    const [a, b] = [there.part ?? (await there.next()), here.part ?? (await here.next())];
    if (a === undefined && b === undefined) return same;
    const records = Math.min(there.left, here.left);
    const differs = a && b ? difference(a, there.done, b, here.done, records) : 0;
    if (differs !== undefined) {
      const [one, other] = [textAt(a, there.done + differs), textAt(b, here.done + differs)];
      throw new Error(`${where}: expected ${one}, found ${other}`);
    }
    same.records += records;
    if (a!.kind === 'samples') same.samples += records;
    if (a!.kind === 'gap') {
      same.gapTicks.set(a!.reason, (same.gapTicks.get(a!.reason) ?? 0) + a!.ticks);
    }
    there.pass(records);
    here.pass(records);
  }
}

/** One of two streams, and how much of its present part has been compared. */
class Side {
  done = 0;
  readonly #items: AsyncIterator<Part[]>;
  #parts: Part[] = [];
  #index = 0;

  constructor(items: AsyncIterator<Part[]>) {
    this.#items = items;
  }

  get part(): Part | undefined {
    return this.#parts[this.#index];
  }

  get left(): number {
    return (this.part?.records ?? 0) - this.done;
  }

  /** The next part where there is none at hand. */
  async next(): Promise<Part | undefined> {
    while (this.part === undefined) {
      const { done, value } = await this.#items.next();
      if (done) return undefined;
      this.#parts = value;
      this.#index = 0;
    }
    return this.part;
  }

  pass(records: number): void {
    this.done += records;
    if (this.left > 0) return;
    this.done = 0;
    this.#index++;
  }
}

/** @returns the first of so many records that differs; undefined: all are the same */
function difference(
  a: Part,
  aFrom: number,
  b: Part,
  bFrom: number,
  records: number,
): number | undefined {
  const isSamePlace = a.seq + aFrom === b.seq + bFrom && a.offset + aFrom === b.offset + bFrom;
  if (a.origin !== b.origin || !isSamePlace) return 0;
  if (a.kind === 'samples' && b.kind === 'samples') {
    return differenceOf(
      a.arrays.map((values) => values.subarray(aFrom, aFrom + records)),
      b.arrays.map((values) => values.subarray(bFrom, bFrom + records)),
    );
  }
  const isSame =
    (a.kind === 'gap' && b.kind === 'gap' && a.text === b.text && a.records === b.records) ||
    (a.kind === 'left' && b.kind === 'left' && a.tick + aFrom === b.tick + bFrom);
  return isSame ? undefined : 0;
}

function differenceOf(a: readonly Values[], b: readonly Values[]): number | undefined {
  if (a.length !== b.length) return 0;
  const found = a.flatMap((values, i) => firstDifference(values, b[i]!) ?? []);
  return found.length > 0 ? Math.min(...found) : undefined;
}

function firstDifference(a: Values, b: Values): number | undefined {
  if (a.length >= WORTH_A_VIEW && bytesOf(a).equals(bytesOf(b))) return undefined;
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return undefined;
}

function bytesOf({ buffer, byteOffset, byteLength }: Values): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function textAt(part: Part | undefined, index: number): string {
  if (part === undefined) return 'nothing more';
  const { origin, seq, offset } = part;
  const place = `${part.kind} at offset ${offset + index}, seq ${seq + index} of ${origin}`;
  if (part.kind === 'gap') return `${part.text}, ${place}`;
  if (part.kind === 'left') return `tick ${part.tick + index} left out, ${place}`;
  return `${part.arrays.map((array) => String(array[index])).join(' ')}, ${place}`;
}
