/** Records as `stream cat --format ndjson-records` prints them, and the laws they obey. */

export interface RecordLine {
  offset: string;
  writer: string;
  epoch: string;
  seq: string;
  type: 'sample' | 'gap' | 'event';
  /** samples */
  tick: string;
  timestampNanos: string;
  values: Record<string, string | number>;
  /** gaps; `records` only of those that stand alone */
  reason: string;
  firstTick: string | null;
  ticks: string | null;
  records?: string;
  /** events */
  data: string;
}

export function parseRecords(lines: readonly string[]): RecordLine[] {
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as RecordLine);
}

export interface Account {
  samples: number;
  /** ticks between the first and the last record, both included */
  scheduled: number;
  gapTicks: number;
  epochs: string[];
  /** gaps that stand at the beginning of an epoch */
  between: RecordLine[];
}

/**
 * Holds a stream of samples of one writer and one boot against the invariants: offsets and seqs
 * without holes, epochs that only rise, each tick a sample or inside a gap, and between two epochs
 * an exact gap(crash) or gap(stopped).
 * @throws naming the record that breaks one
 */
export function checkSamples(records: readonly RecordLine[]): Account {
  const account: Account = { samples: 0, scheduled: 0, gapTicks: 0, epochs: [], between: [] };
  let last: RecordLine | undefined;
  let nextTick: number | undefined;
  for (const record of records) {
    const fail = (what: string): Error =>
      new Error(`${what}: ${JSON.stringify(record)} after ${JSON.stringify(last)}`);
    if (last && !follows(record, last)) throw fail('a hole, or a record twice');
    const begins = record.epoch !== last?.epoch;
    if (begins) {
      if (last && BigInt(record.epoch) <= BigInt(last.epoch)) throw fail('an epoch that fell');
      account.epochs.push(record.epoch);
    }
    const isBetween = record.type === 'gap' && ['crash', 'stopped'].includes(record.reason);
    if (last && begins && !isBetween && nextTick !== Number(record.tick)) {
      throw fail('no gap between two runs');
    }
    if (isBetween && !begins) throw fail('a gap between runs within a run');
    if (isBetween) account.between.push(record);
    const ticks = ticksOf(record);
    if (ticks === undefined) throw fail('a gap without its ticks');
    if (nextTick !== undefined && ticks.first !== nextTick) throw fail(`expected tick ${nextTick}`);
    nextTick = ticks.first + ticks.count;
    account.scheduled += ticks.count;
    if (record.type === 'sample') account.samples++;
    else account.gapTicks += ticks.count;
    last = record;
  }
  return account;
}

function follows(record: RecordLine, last: RecordLine): boolean {
  const count = Number(last.records ?? 1);
  return (
    Number(record.offset) === Number(last.offset) + count &&
    Number(record.seq) === Number(last.seq) + count &&
    record.writer === last.writer
  );
}

function ticksOf(record: RecordLine): { first: number; count: number } | undefined {
  if (record.type === 'sample') return { first: Number(record.tick), count: 1 };
  if (record.firstTick === null || record.ticks === null) return undefined;
  return { first: Number(record.firstTick), count: Number(record.ticks) };
}
