/** Readers that stand in the middle of a stream while anything happens to it, and read on later. */
import { isCode } from '../../engine/base/errors.ts';
import { Store } from '../../engine/store/store.ts';
import { StreamReader } from '../../engine/store/read/stream-reader.ts';
import type { Home } from './history-home.ts';
import type { ModelStream } from './history-model.ts';
import { seenItems, type SeenRecord } from './history-view.ts';
import type { History } from './history.ts';
import type { Process } from './world.ts';

interface Reading {
  process: Process;
  /** of the stream, in the model */
  id: number;
  name: string;
  records: AsyncIterator<SeenRecord[]>;
  nextOffset: number;
}

const readings = new WeakMap<Home, Reading>();

/** Some pieces more of what it was at, or of another stream from anywhere on. */
export async function readOn(history: History, home: Home): Promise<boolean> {
  const known = readings.get(home);
  const reading = known?.process.isAlive ? known : begin(history, home);
  if (reading === undefined) return false;
  const stream = home.model.streams.get(reading.name);
  const isThere = stream?.id === reading.id;
  let isOver = !isThere;
  try {
    for (let left = history.random.below(6); left >= 0 && !isOver; left--) {
      const { value, done } = await reading.records.next();
      isOver = done === true;
      if (!isOver) compare(reading, stream!, value as SeenRecord[]);
    }
  } catch (error) {
    if (isThere || !isCode(error, 'NO_SUCH_STREAM')) throw error;
  }
  if (isOver) home.world.end(reading.process);
  return true;
}

function begin(history: History, home: Home): Reading | undefined {
  const names = [...home.model.streams.keys()];
  if (names.length === 0) return undefined;
  const name = history.any(names);
  const { id, records } = home.model.streams.get(name)!;
  const from = history.random.below(records.length + 1);
  const process = home.spawn('slow reader', () => new Promise(() => undefined));
  const store = Store.open(home.dir, process.environment);
  const reader = new StreamReader(store.reader, store.stream(name).id, from);
  const reading = { process, id, name, records: seenItems(reader, from), nextOffset: from };
  readings.set(home, reading);
  return reading;
}

/** What was there when it was asked for, or is retired by now, whoever's it was. */
function compare(reading: Reading, { records, lowWater }: ModelStream, seen: SeenRecord[]): void {
  for (const { key } of seen) {
    const offset = reading.nextOffset++;
    if (offset < lowWater || records[offset]?.key === key) continue;
    throw new Error(`a slow reader finds ${key} at ${offset}, not ${records[offset]?.key}`);
  }
}
