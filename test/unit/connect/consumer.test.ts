/** A program between two streams: what it has read and what it has written never part. */
import { describe, expect, it } from 'vitest';
import { Consumer, type ConsumerOptions } from '../../../engine/connect/consumer.ts';
import { setCursor } from '../../../engine/store/write/changes.ts';
import { Store } from '../../../engine/store/store.ts';
import type { StreamItem } from '../../../engine/store/read/stream-item.ts';
import { temporaryDirectory } from '../../support/directory.ts';
import { LocalOwner, type Fate } from '../../support/local-owner.ts';
import { SEED, SeededRandom } from '../../support/random.ts';
import { beginEvents, bytes, removeRecorded, text } from '../../support/stores.ts';

const INPUT = 'test/events';
const OUTPUT = 'test/sums';

/** A store with `count` events in one piece each three of them. */
function scene(count = 30): { owner: LocalOwner; options: ConsumerOptions } {
  const owner = new LocalOwner(temporaryDirectory());
  const opened = beginEvents(owner.writer, INPUT);
  for (let i = 0; i < count; i += 3) {
    owner.writer.appendEvents(
      opened,
      [i, i + 1, i + 2].map((n) => bytes(String(n))),
    );
  }
  const options = { dataDir: owner.dir, stream: INPUT, cursor: 'sums', output: { stream: OUTPUT } };
  return { owner, options };
}

/** The sum of all numbers so far, after each. */
async function addUp(consumer: Consumer, patience = Infinity): Promise<void> {
  for await (const item of consumer.read()) {
    const { events, sum } = sums(item, consumer.state);
    await consumer.commit({ events, state: sum });
    if (--patience === 0) return;
  }
}

function sums(item: StreamItem, state: unknown): { events: Uint8Array[]; sum: number } {
  if (item.kind !== 'events') throw new Error(`${item.kind} is not expected`);
  let sum = (state as number | undefined) ?? 0;
  const events = item.events.map((event) => bytes(String((sum += Number(text(event))))));
  return { events, sum };
}

async function eventsOf(dir: string, stream: string, options = {}): Promise<string[]> {
  const store = Store.open(dir);
  const found: string[] = [];
  for await (const item of store.read(stream, options)) {
    if (item.kind === 'events') found.push(...item.events.map(text));
  }
  store.close();
  return found;
}

function expected(count = 30): string[] {
  return Array.from({ length: count }, (_, n) => String((n * (n + 1)) / 2));
}

describe('a consumer', () => {
  it('goes on where its last commit left it, with the state it had', async () => {
    const { owner, options } = scene();
    for (let life = 0; life < 6; life++) {
      const consumer = await Consumer.open(options, owner.connect());
      expect(consumer.position).toBe(life * 6);
      await addUp(consumer, 2);
      await consumer.close();
    }
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    owner.close();
  });

  it('reads again what it had read and not committed', async () => {
    const { owner, options } = scene();
    const first = await Consumer.open(options, owner.connect());
    await addUp(first, 3);
    const rest: string[] = [];
    for await (const item of first.read()) rest.push(...sums(item, 36).events.map(text));
    expect([rest[0], first.position]).toEqual([expected()[9], 30]);
    await first.close();
    const second = await Consumer.open(options, owner.connect());
    expect(second.position).toBe(9);
    await addUp(second);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    await second.close();
    owner.close();
  });

  it('that follows ends when it is closed', async () => {
    const { owner, options } = scene();
    const consumer = await Consumer.open(options, owner.connect());
    let [events, closed] = [0, Promise.resolve()];
    for await (const item of consumer.read({ follow: true })) {
      events += item.kind === 'events' ? item.events.length : 0;
      // by then it waits for more
      if (events === 30)
        closed = new Promise((done) => setTimeout(done, 20)).then(() => consumer.close());
    }
    await closed;
    expect(events).toBe(30);
    owner.close();
  });

  it('keeps a state as it was when it was committed, whatever becomes of it later', async () => {
    const { owner, options } = scene(3);
    const consumer = await Consumer.open(options, owner.connect());
    const state = { sum: 1, at: new Date(0) };
    await consumer.commit({ state });
    state.sum = 99;
    (consumer.state as typeof state).sum = 98;
    const kept = { sum: 1, at: '1970-01-01T00:00:00.000Z' };
    expect(consumer.state).toEqual(kept);
    await consumer.commit();
    await consumer.close();
    const next = await Consumer.open(options, owner.connect());
    expect(next.state).toEqual(kept);
    await next.close();
    owner.close();
  });

  const isClosed = { code: 'USAGE', message: `the consumer sums of ${INPUT} is closed` };

  it('that is closed takes no commit, and opens nothing for it', async () => {
    const { owner, options } = scene();
    const consumer = await Consumer.open(options, owner.connect());
    await addUp(consumer, 1);
    await consumer.close();
    owner.fate = (type) => {
      throw new Error(`${type} was asked`);
    };
    await expect(consumer.commit({ state: 'late' })).rejects.toMatchObject(isClosed);
    owner.close();
  });

  it('that is closed while a commit waits for an owner ends that one', async () => {
    const { owner, options } = scene();
    const consumer = await Consumer.open(options, owner.connect());
    let asked = (): void => undefined;
    const waiting = new Promise<void>((resolve) => (asked = resolve));
    owner.fate = () => {
      asked();
      return 'lost';
    };
    const commit = expect(consumer.commit({ state: 'late' })).rejects.toMatchObject(isClosed);
    await waiting;
    await consumer.close();
    await commit;
    owner.close();
  });

  it('that looks now and then sees what the next owner has written', async () => {
    const { owner, options } = scene(3);
    const consumer = await Consumer.open(options, owner.connect());
    const look = async (): Promise<number> => {
      let records = 0;
      for await (const item of consumer.read()) records += item.kind === 'fault' ? 0 : item.records;
      return records;
    };
    expect(await look()).toBe(3);
    for (let life = 0; life < 3; life++) {
      owner.restart();
      // what was open is accounted for at the next start
      await look();
      owner.writer.appendEvents(beginEvents(owner.writer, INPUT), ['a', 'b'].map(bytes));
      expect(await look()).toBe(2);
    }
    await consumer.close();
    expect(await look()).toBe(0);
    owner.close();
  });

  it('does not double what an answer was lost of, nor lose what was not asked', async () => {
    const { owner, options } = scene();
    const random = new SeededRandom(SEED);
    const fates: Fate[] = ['served', 'served', 'lost', 'reply lost'];
    let faults = 0;
    owner.fate = (type) => {
      const fate = type === 'end' ? 'served' : fates[random.below(fates.length)]!;
      if (fate !== 'served') faults++;
      return fate;
    };
    const consumer = await Consumer.open(options, owner.connect());
    await addUp(consumer);
    await consumer.close();
    expect(faults, `HELICORDER_SEED=${SEED}`).toBeGreaterThan(0);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    owner.close();
  });

  it('outlives its owner', async () => {
    const { owner, options } = scene();
    const consumer = await Consumer.open(options, owner.connect());
    let commits = 0;
    owner.fate = (type) => {
      if (type !== 'append' || ++commits % 3 !== 0) return 'served';
      owner.restart();
      return commits % 2 === 0 ? 'lost' : 'reply lost';
    };
    await addUp(consumer);
    await consumer.close();
    expect(commits).toBeGreaterThan(10);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    owner.close();
  });

  it('fences the one before it, which changes nothing any more', async () => {
    const { owner, options } = scene();
    const first = await Consumer.open(options, owner.connect());
    await addUp(first, 2);
    const second = await Consumer.open(options, owner.connect());
    await expect(addUp(first)).rejects.toMatchObject({ code: 'FENCED' });
    await expect(first.commit({ state: 'late' })).rejects.toMatchObject({ code: 'FENCED' });
    await addUp(second);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    owner.close();
  });

  it('sees what the one before it commits at the last moment', async () => {
    const { owner, options } = scene();
    const first = await Consumer.open(options, owner.connect());
    await addUp(first, 1);
    const store = Store.open(owner.dir);
    const { detail } = store.reader.state.cursors.get('sums')!;
    store.close();
    owner.fate = (type) => {
      const late = { name: 'sums', stream: INPUT, offset: 6, detail: detail! };
      if (type === 'open') setCursor(owner.writer, late, 0n);
      return 'served';
    };
    const second = await Consumer.open(options, owner.connect());
    expect(second.position).toBe(6);
    await first.close();
    await second.close();
    owner.close();
  });

  it('that lost its owner too stays fenced where another one has moved the cursor', async () => {
    const { owner, options } = scene();
    const first = await Consumer.open(options, owner.connect());
    await addUp(first, 2);
    const second = await Consumer.open(options, owner.connect());
    await addUp(second, 1);
    owner.restart();
    owner.fate = () => {
      owner.fate = () => 'served';
      return 'lost';
    };
    await expect(addUp(first, 1)).rejects.toMatchObject({ code: 'FENCED' });
    const third = await Consumer.open(options, owner.connect());
    await addUp(third);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    owner.close();
  });
});

describe('a stream that was removed, and made again under its name', () => {
  it.each(['with', 'without'])(
    'does not inherit how far a consumer %s an output had come in the one before it',
    async (how) => {
      const { owner, options } = scene();
      const { output: _, ...reading } = options;
      const wanted = how === 'with' ? options : reading;
      const consumer = await Consumer.open(wanted, owner.connect());
      for await (const item of consumer.read()) if (item.kind === 'events') break;
      removeRecorded(owner.writer, INPUT);
      owner.writer.appendEvents(beginEvents(owner.writer, INPUT), ['0', '1', '2'].map(bytes));
      await expect(consumer.commit({ state: 3 })).rejects.toMatchObject({
        code: 'NO_SUCH_STREAM',
        message: `stream ${INPUT} was removed`,
      });
      await consumer.close();
      const next = await Consumer.open(wanted, owner.connect());
      expect([next.position, next.state]).toEqual([0, undefined]);
      await next.close();
      owner.close();
    },
  );
});

describe('a position by name', () => {
  it('is kept by a consumer without an output, with its state, whatever is lost', async () => {
    const { owner, options } = scene();
    const { output: _, ...reading } = options;
    const fates: Fate[] = ['lost', 'served', 'reply lost', 'served'];
    let asked = 0;
    owner.fate = () => fates[asked++ % fates.length]!;
    const seen: string[] = [];
    for (let life = 0; life < 6; life++) {
      const consumer = await Consumer.open(reading, owner.connect());
      expect([consumer.position, consumer.state ?? 0]).toEqual([seen.length, seen.length]);
      let patience = 2;
      for await (const item of consumer.read()) {
        if (item.kind === 'events') seen.push(...item.events.map(text));
        await consumer.commit({ state: seen.length });
        if (--patience === 0) break;
      }
      const events = [bytes('x')];
      await expect(consumer.commit({ events })).rejects.toThrow('without an output');
      await consumer.close();
    }
    expect(asked).toBeGreaterThan(10);
    expect(seen).toEqual(await eventsOf(owner.dir, INPUT));
    owner.close();
  });

  it('is where a reading begins, exactly, once there is one', async () => {
    const { owner } = scene(6);
    const all = ['0', '1', '2', '3', '4', '5'];
    expect(await eventsOf(owner.dir, INPUT, { cursor: 'mine' })).toEqual(all);
    expect(await eventsOf(owner.dir, INPUT, { cursor: 'mine', from: 'tail' })).toEqual([]);
    setCursor(owner.writer, { name: 'mine', stream: INPUT, offset: 4 }, 0n);
    expect(await eventsOf(owner.dir, INPUT, { cursor: 'mine', from: 'tail' })).toEqual(['4', '5']);
    beginEvents(owner.writer, 'test/other');
    await expect(eventsOf(owner.dir, 'test/other', { cursor: 'mine' })).rejects.toThrow(
      'cursor mine is of another stream than test/other',
    );
    owner.close();
  });

  it('set by hand begins there, without a state', async () => {
    const { owner, options } = scene(6);
    setCursor(owner.writer, { name: 'sums', stream: INPUT, offset: 4 }, 0n);
    const consumer = await Consumer.open(options, owner.connect());
    expect([consumer.position, consumer.state]).toEqual([4, undefined]);
    await addUp(consumer);
    await consumer.close();
    // in the middle of a piece as it is stored
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(['4', '9']);
    owner.close();
  });
});

describe('what cannot be', () => {
  it.each([
    ['a stream that is not there', { stream: 'test/evenst' }, 'did you mean test/events?'],
    ['its own input as output', { output: { stream: INPUT } }, 'computed from itself'],
    ['columns of opaque events', { columns: ['X'] }, 'no columns'],
    ['a beginning behind the end', { from: 31 }, 'ends at 30'],
  ])('%s is refused, and nothing is made for it', async (_, wrong, message) => {
    const { owner, options } = scene();
    await expect(Consumer.open({ ...options, ...wrong }, owner.connect())).rejects.toThrow(message);
    const store = Store.open(owner.dir);
    expect(store.streamNames()).toEqual([INPUT]);
    store.close();
    owner.close();
  });

  it("a copy's cursor is not taken", async () => {
    const { owner, options } = scene();
    const cursor = { name: 'sums', stream: INPUT, offset: 4, detail: '{"kind":"copy"}' };
    setCursor(owner.writer, cursor, 0n);
    await expect(Consumer.open(options, owner.connect())).rejects.toThrow('not a consumer');
    owner.close();
  });

  it.each([
    ['text', ['text'], 'events[0] is no Uint8Array: an event is bytes'],
    ['other numbers', [bytes('a'), new Uint16Array(3)], 'events[1] is no Uint8Array'],
    ['one event alone', bytes('a'), 'events is no list of Uint8Arrays'],
    ['nothing', null, 'events is no list of Uint8Arrays'],
  ])('a commit of %s is refused, and the cursor stays', async (_, events, message) => {
    const { owner, options } = scene(3);
    const consumer = await Consumer.open(options, owner.connect());
    for await (const item of consumer.read()) expect(item.kind).toBe('events');
    const commit = consumer.commit({ events: events as never });
    await expect(commit).rejects.toMatchObject({ code: 'USAGE' });
    await expect(commit).rejects.toThrow(message);
    await consumer.close();
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual([]);
    const next = await Consumer.open(options, owner.connect());
    expect(next.position).toBe(0);
    await next.close();
    owner.close();
  });

  it('a commit that is too large says what fits, and the next one is taken', async () => {
    const { owner, options } = scene();
    const consumer = await Consumer.open(options, owner.connect());
    const large = [new Uint8Array(9_000_000)];
    await expect(consumer.commit({ events: large })).rejects.toMatchObject({ code: 'USAGE' });
    await expect(consumer.commit({ state: '"'.repeat(2_500) })).rejects.toThrow('at most 4096');
    await expect(consumer.commit({ state: 'ü'.repeat(4_000) })).rejects.toThrow('7000 bytes');
    await addUp(consumer);
    expect(await eventsOf(owner.dir, OUTPUT)).toEqual(expected());
    await consumer.close();
    owner.close();
  });
});
